import type { AbortCause, RunFailure, StartMessage } from "./protocol.ts";

/** The host that ran a settled execution may still be running its code. */
export interface Lingering {
  /** Resolves when that host has ended. */
  gone: Promise<void>;
  /** It has ended after this many ms at the latest. */
  withinMs: number;
}

/** How a run in a host came to its end. */
export type RunEnd =
  /** The engine returned a value. */
  | { kind: "returned"; outputText: string; aborted: AbortCause | null }
  /** The engine threw, or its input or output is not valid. */
  | { kind: "threw"; failure: RunFailure; aborted: AbortCause | null; stack: string | null }
  /** The service of a remote engine has taken it on, and says later what came of it. */
  | { kind: "handed_over"; aborted: AbortCause | null }
  /** The engine was stopped from outside, or crashed. */
  | {
      kind: "stopped";
      failure: RunFailure;
      aborted: AbortCause | null;
      lingering: Lingering | null;
      stack: string | null;
      /** Its host ended by itself, and not only the code of this run. */
      hostDied: boolean;
    }
  /** Its host was ended under it, for no fault that is known to be its own. */
  | { kind: "cut_off"; suspect: boolean };

/** An execution that a host has or is about to get. */
export interface Run {
  readonly message: StartMessage;
  /** When it has to be gone, by `performance.now()`; set when the host gets it. */
  overdueAt: number;
  /** Why the worker aborted it, if it did. */
  aborted: AbortCause | null;
  /** Called by the host when the engine gets it. */
  begun(): void;
  /** Called once, by whoever sees the end first. */
  end(end: RunEnd): void;
}
