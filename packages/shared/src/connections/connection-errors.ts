import type { ProblemError } from "@tl-engine/contract";

/** There is no connection with this id. */
export class ConnectionNotFoundError extends Error {
  override name = "ConnectionNotFoundError";
  constructor(id: string) {
    super(`There is no connection ${id}.`);
  }
}

/** The id is taken. */
export class ConnectionExistsError extends Error {
  override name = "ConnectionExistsError";
  constructor(id: string) {
    super(`There is a connection ${id}; change it, or choose another id.`);
  }
}

/** What is asked for does not fit together; `errors` say what, and show no secret. */
export class ConnectionInvalidError extends Error {
  override name = "ConnectionInvalidError";
  readonly errors: readonly ProblemError[];
  constructor(errors: readonly ProblemError[]) {
    super(errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; "));
    this.errors = errors;
  }
}
