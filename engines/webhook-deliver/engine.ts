import { defineEngine, RetryAfterError, TerminalError } from "@tl-engine/engine-kit";

import { webhookDeliverContract } from "./contract.ts";
import { nextTryInMs, scheduledAttempts } from "./next-try.ts";
import { readRetryAfter } from "./read-retry-after.ts";

/** Receivers are asked to answer first and to work afterwards. */
const timeout = "15s";

/**
 * One signed POST for each attempt. Connection and endpoint sign it at the door, so that no secret comes here. What is
 * certain to fail again ends it; whatever else went wrong is tried again by the schedule.
 */
export default defineEngine({
  ...webhookDeliverContract,
  uses: ["http"],
  timeout: { default: "30s", max: "5m" },
  maxAttempts: { default: scheduledAttempts, max: 25 },
  async run(input, ctx) {
    const target = targetOf(input);
    const id = input.id ?? ctx.executionId;
    const body = JSON.stringify({
      type: input.type,
      timestamp: input.timestamp ?? submittedAt(ctx.executionId),
      data: input.data,
    });
    const answer = await ctx.clients
      .http(target)
      .request(input.path ?? "", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
        timeout,
        redirect: "none",
        acceptStatus: "any",
        // What was sent and not answered is sent again: receivers tell it by the webhook-id.
        idempotent: true,
        idempotencyKey: id,
        step: "webhook",
      })
      .catch((error: unknown) => {
        throw isPassing(error)
          ? new RetryAfterError("The webhook did not arrive", nextTryInMs(ctx.attempt, undefined), {
              code: "connection_failed",
              cause: error,
            })
          : error;
      });
    const { status } = answer;
    if (status >= 200 && status < 300) {
      return { webhook_id: id, status, duration_ms: answer.durationMs };
    }
    const details = { status };
    if (status === 410) {
      const message = "The receiver answered 410: it wants no more";
      throw new TerminalError(message, { code: "upstream_error", details });
    }
    if (status >= 300 && status < 400) {
      const message = `The receiver answered ${status}: redirects are not followed`;
      throw new TerminalError(message, { code: "upstream_error", details });
    }
    const delayMs = nextTryInMs(ctx.attempt, readRetryAfter(answer.headers));
    throw new RetryAfterError(`The receiver answered ${status}`, delayMs, {
      code: "upstream_error",
      details,
    });
  },
});

interface Target {
  readonly connection?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly path?: string | undefined;
}

/** The connection to call through; the worker knows a caller's endpoints under their ids. */
function targetOf({ connection, endpoint, path }: Target): string {
  const invalid = (message: string, pointer: string): TerminalError =>
    new TerminalError(message, { code: "input_invalid", details: { pointer } });
  if (endpoint !== undefined && path !== undefined) {
    throw invalid("an endpoint has its address: leave path out", "/path");
  }
  const target = connection ?? endpoint;
  if (target === undefined || (connection !== undefined && endpoint !== undefined)) {
    throw invalid("give either connection or endpoint", "/connection");
  }
  return target;
}

/** Of a UUIDv7, whose first 48 bits are the time: the same in every attempt. */
function submittedAt(executionId: string): string {
  const ms = Number.parseInt(executionId.replaceAll("-", "").slice(0, 12), 16);
  return new Date(Number.isNaN(ms) ? 0 : ms).toISOString();
}

/** No connection, or no answer in time. Refused and parked calls are judged by the worker, by what they carry. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, park } = error as { code?: unknown; park?: unknown };
  return park === undefined && (code === "connection_failed" || code === "timeout");
}
