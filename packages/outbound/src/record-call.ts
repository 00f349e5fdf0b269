import { type HttpScope } from "./http-client.ts";
import { type OutboundCall } from "./ports.ts";

/** What differs from one row of a call to the next. */
export type CallFacts = Omit<
  OutboundCall,
  "execution_id" | "attempt" | "dispatch" | "step" | "connection" | "protocol" | "try"
>;

/** Writes a row of the outbound log for a step of an attempt. A log that fails never fails the call. */
export function recordCall(scope: HttpScope, step: string, facts: CallFacts): void {
  const { executionId, attempt, dispatch, callLog } = scope;
  try {
    callLog.record({
      execution_id: executionId,
      attempt,
      dispatch,
      // An engine's own words: cut, and without what a database can't keep.
      step: step.slice(0, 100).replace(/\p{C}/gu, "\ufffd"),
      connection: null,
      protocol: "http",
      try: 1,
      ...facts,
    });
  } catch {
    // The call has been made; whoever keeps the log reports its own troubles.
  }
}
