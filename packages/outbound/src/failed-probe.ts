import { OutboundError, ParkedError } from "./errors.ts";
import type { Admitted, Connection } from "./ports.ts";

/**
 * What an engine gets to see of a call that was let through an open circuit to try it, and failed: the circuit is open
 * again, and the execution waits for it like all others do, with no attempt counted. Else whoever is chosen to try would
 * pay for everybody. What must not be done twice stays what it is.
 */
export function failedProbe(
  error: unknown,
  { breakerState }: Admitted,
  outcome: Parameters<Admitted["leave"]>[0],
  { id }: Connection,
): unknown {
  if (breakerState !== "half_open" || outcome !== "failure") return error;
  if (!(error instanceof OutboundError) || error instanceof ParkedError || !error.retryable)
    return error;
  return new ParkedError(
    `${error.message}; the circuit of connection ${id} stays open`,
    { reason: "circuit_open", delayMs: null, blockedBy: `connection:${id}` },
    error.code === "connection_failed" ? "connection_failed" : "upstream_error",
  );
}
