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
  | {
      /** The outside is not ready for it: no attempt is counted, and it starts anew when the time has come. */
      outcome: "parked";
      failure: Failure;
      /** How long until it may start again, ms, of which no more than a day counts; null: until its circuit lets it. */
      delayMs: number | null;
      reason: "retry_after" | "circuit_open";
      /** What it waits for, `connection:<id>`; null where that is a plain address. Never null for `circuit_open`. */
      blockedBy: string | null;
    }
);
