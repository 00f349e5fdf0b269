/** What a caller asked for. */
export interface Order {
  engine: string;
  input: unknown;
  /** `options` of the submit, as the API takes them. */
  options?: Record<string, unknown>;
  /** Who is told of its end. */
  callback?: { url: string };
  /** It may end so as well: a cancel or a `ttl` comes in time or too late. */
  may?: readonly ("canceled" | "expired")[];
  /** It has to end so, whatever its engine would do. */
  must?: "canceled" | "expired";
}

/** How it has to end. */
export interface Expected {
  attempt: number;
  output?: unknown;
  /** Set where it has to fail. */
  code?: string;
}
