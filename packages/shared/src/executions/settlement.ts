import type { Failure } from "./error.ts";

/** What came of one attempt. */
export type Settlement = { id: string; dispatch: number; attempt: number } & (
  | { outcome: "succeeded"; outputText: string }
  | { outcome: "failed"; failure: Failure }
  | {
      outcome: "retry";
      failure: Failure;
      /** How long until it may start again, ms. */
      delayMs: number;
      /** `retry_after` where the delay was asked for by the engine or by the system that it called. */
      reason: "retry_backoff" | "retry_after";
    }
);
