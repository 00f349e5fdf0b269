import type { OutboundCall } from "@tl-engine/outbound";
import { OutboundError } from "@tl-engine/outbound/errors";
import { retryAfterMs } from "@tl-engine/outbound/retry-after";
import { signWebhook } from "@tl-engine/outbound/sign-webhook";
import type {
  CallbackAnswer,
  CallbackRequest,
  SendCallback,
} from "@tl-engine/shared/callbacks/deliverer.ts";
import { noExecution } from "@tl-engine/shared/outbound-log/call-row.ts";
import { type ToldCall } from "@tl-engine/shared/outbound-log/told-call.ts";
import type { MainDoor } from "../ports/main-door.ts";

/** For one try, its answer included. Receivers are asked to answer first and to work afterwards. */
const tryMs = 15_000;
/** What is read of an answer's body, which nobody looks at. */
const maxAnswerBytes = 64 * 1024;
/** Characters of an error that are kept. */
const maxError = 500;

export interface CallbackSenderOptions {
  door: Pick<MainDoor, "forCallbacks">;
  /** Postgres' time, ms since 1970: receivers refuse what is signed with a clock that is wrong. */
  now(): number;
  /** Hears each try as a row of the outbound log; `callerId` where the row has no execution. */
  record(call: ToldCall, callerId: string | null): void;
}

/**
 * Sends through the guarded door, by the rules for addresses that callers gave. A redirect is an answer like any other; an
 * answer whose body is too large or broken counts by its status.
 */
export function createCallbackSender(options: CallbackSenderOptions): SendCallback {
  return async (request) => {
    const outbound = await options.door.forCallbacks();
    const { noConnections } = await import("@tl-engine/outbound");
    let status: number | null = null;
    const client = outbound.http({
      ...noConnections,
      executionId: request.executionId ?? noExecution,
      attempt: 0,
      dispatch: 0,
      signal: request.signal,
      callLog: {
        record(call) {
          status = call.status;
          options.record(
            asCallback(call, request),
            request.executionId === null ? request.callerId : null,
          );
        },
      },
    });
    try {
      const answer = await client.request(request.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...signWebhook(request.secrets, {
            id: request.id,
            timestamp: options.now() / 1000,
            body: request.body,
          }),
        },
        body: request.body,
        timeout: tryMs,
        redirect: "none",
        maxResponseBytes: maxAnswerBytes,
        acceptStatus: "any",
        idempotencyKey: request.id,
        step: "callback",
      });
      return answered(answer.status, retryAfterMs(answer.headers) ?? null);
    } catch (error) {
      if (request.signal.aborted || !(error instanceof OutboundError)) throw error;
      if (status !== null) return answered(status, error.retryAfterMs ?? null);
      const text = `${error.code}: ${error.message}`.slice(0, maxError).toWellFormed();
      const refused = error.code === "outbound_refused";
      return { status: null, retryAfterMs: null, error: text, refused };
    }
  };
}

function answered(status: number, afterMs: number | null): CallbackAnswer {
  return { status, retryAfterMs: afterMs, error: null, refused: false };
}

function asCallback(call: OutboundCall, request: CallbackRequest): ToldCall {
  return { ...call, purpose: "callback", try: request.try };
}
