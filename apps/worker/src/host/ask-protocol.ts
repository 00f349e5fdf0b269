import type { Connection, Park, Protocol } from "@tl-engine/outbound";

/** What a host may ask its worker on behalf of a run: what secrets, Postgres or all workers have to say to it. */
export interface Questions {
  /** The connection of this name, for this run. */
  connection: {
    asked: Named;
    answer: GivenConnection;
  };
  /** A place for one call; the host says with `leave` how that call ended. */
  enter: {
    asked: Named;
    answer: { readonly breakerState: "closed" | "half_open" };
  };
  /** An access token; `stale` is the one that was just refused. */
  token: {
    asked: NamedRevision & { readonly stale: string | null };
    answer: string;
  };
}
/** A connection by its name. */
export interface Named {
  readonly connection: string;
  readonly protocol: Protocol;
}

/** A connection as the host knows it. */
export interface NamedRevision extends Named {
  readonly revision: number;
}

export type Port = keyof Questions;

/** A question on its way to the worker. */
export type Question = { [P in Port]: { readonly port: P } & Questions[P]["asked"] }[Port];

export interface GivenConnection {
  readonly connection: Connection;
  /** How long it may be used without asking again, ms. */
  readonly freshMs: number;
  /** Whether calls may go out without asking, as far as the circuit is concerned. */
  readonly isClosed: boolean;
}

/** How a call ended, in the words of the door's `Admitted.leave`. */
export type CallOutcome = "success" | "failure" | "ignored";

/** An error that crosses from worker to host: its facts, since classes and causes do not. */
export interface AskFailure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly status?: number;
  readonly park?: Park;
}

/** Host to worker. `ask` is the host's own number for a question. */
export type AskMessage =
  | { kind: "ask"; key: number; ask: number; question: Question }
  /** Nobody waits for the answer any more. */
  | { kind: "unask"; ask: number }
  /** The call is over that this answer to `enter` let through. */
  | { kind: "leave"; ask: number; outcome: CallOutcome }
  /** A call is over that needed no place: its connection has no bound, and its circuit was closed. */
  | ({ kind: "called"; key: number; outcome: "success" | "failure" } & Named);

/** Worker to host. */
export type AnswerMessage =
  | { kind: "answer"; ask: number; answer: unknown }
  | { kind: "refused"; ask: number; failure: AskFailure }
  /** Whatever is known of this connection no longer holds; null: of any. */
  | { kind: "connection_changed"; connection: string | null }
  | { kind: "circuit"; connection: string; isClosed: boolean };
