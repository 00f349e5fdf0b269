import type { Log } from "@tl-engine/shared/log/log.ts";
import type { ApiMetrics } from "@tl-engine/shared/metrics/api-metrics.ts";
import type { AnsweredRequest } from "./api-deps.ts";

/** Counts each answered request and writes its one log line. */
export function createAnswerReport(
  log: Log,
  { httpRequests, httpRequestDuration }: ApiMetrics,
): (answer: AnsweredRequest) => void {
  return (answer) => {
    const { requestId, method, status, durationMs, waitedMs, caller, code, executionId } = answer;
    const route = answer.route ?? "none";
    // A method nobody serves is the caller's text: it would make a figure of its own for each.
    const known = answer.route === null ? "other" : method;
    httpRequests.inc({ method: known, route, status: String(status) });
    httpRequestDuration.observe({ method: known, route }, (durationMs - waitedMs) / 1000);
    log.info(
      {
        request_id: requestId,
        method: known,
        route,
        status,
        duration_ms: Math.round(durationMs * 100) / 100,
        ...(waitedMs > 0 && { waited_ms: Math.round(waitedMs) }),
        ...(caller !== null && { caller_id: caller }),
        ...(code !== null && { code }),
        ...(executionId !== null && { execution_id: executionId }),
      },
      "answered",
    );
  };
}
