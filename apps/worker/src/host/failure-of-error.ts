import type { Park } from "@tl-engine/outbound";
import type { AskFailure } from "./ask-protocol.ts";

const codes = ["outbound_refused", "connection_failed", "timeout", "upstream_error"];

/**
 * Facts of an error that a host is told: those of the door's errors, known by their members. Any other error is a fault
 * of this process: it is reported here, and the host hears no word of it, since its message may say what engines are
 * not to know.
 */
export function failureOfError(error: unknown, onError: (error: unknown) => void): AskFailure {
  const facts = (typeof error === "object" && error !== null ? error : {}) as Partial<
    Record<"code" | "message" | "retryable" | "retryAfterMs" | "status" | "park", unknown>
  >;
  const { code, message, retryable, retryAfterMs, status } = facts;
  if (typeof code !== "string" || !codes.includes(code) || typeof retryable !== "boolean") {
    onError(error);
    const masked = "the worker could not prepare the call; its log says why";
    return { code: "connection_failed", message: masked, retryable: true };
  }
  const park = parkOf(facts.park);
  return {
    code,
    message: String(message),
    retryable,
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
    ...(typeof status === "number" ? { status } : {}),
    ...(park === null ? {} : { park }),
  };
}

function parkOf(said: unknown): Park | null {
  if (typeof said !== "object" || said === null) return null;
  const { reason, delayMs, blockedBy } = said as Partial<Park>;
  if (reason !== "retry_after" && reason !== "circuit_open") return null;
  return { reason, delayMs: delayMs ?? null, blockedBy: blockedBy ?? null };
}
