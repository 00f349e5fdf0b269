import { type Dispatcher } from "undici";

import { type Connection } from "./connection-pool.ts";
import { BodyTooLarge, collectBytes } from "./response-bytes.ts";

/** One request, checked and ready to be written. */
export interface OutboundRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Still coded by Content-Encoding. */
  readonly body: Uint8Array;
  /** False when the connection must not be used again. */
  readonly reusable: boolean;
}

/** What is to be done with a body, once status and headers are known. */
export type BodyPlan =
  | { readonly read: "collect"; readonly cap: number }
  | { readonly read: "skip" };

export interface ExchangeOptions {
  readonly connection: Connection;
  readonly request: OutboundRequest;
  readonly signal: AbortSignal;
  /** Called with the head of the answer; throws when the answer is refused for what it says. */
  planBody(status: number, headers: Readonly<Record<string, string>>): BodyPlan;
  /** Called before the first byte is written: from here on the request may have had its effect. */
  onSending(): void;
}

/** A body that nobody wants is read up to here so that its connection can be kept. */
const SKIP_BYTES = 16 * 1024;

/**
 * Sends one request over a connection and reads the answer whole. It ends with the answer, with what
 * `planBody` threw, with BodyTooLarge, with undici's error, or with the signal's reason; in all cases
 * but the first the connection must be discarded.
 */
export async function exchange(options: ExchangeOptions): Promise<Answer> {
  const { connection, request, signal } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();

  let status = 0;
  let headers: Record<string, string> = {};
  let skipped = 0;
  let cap = 0;
  let body: ReturnType<typeof collectBytes> | null = null;
  const finish = (reusable: boolean) =>
    resolve({ status, headers, body: body?.take() ?? new Uint8Array(0), reusable });

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: options.onSending,
    onResponseStart(controller, statusCode, head) {
      if (statusCode < 200) return; // interim answers (RFC 9110 §15.2)
      status = statusCode;
      headers = plainHeaders(head);
      try {
        const plan = options.planBody(status, headers);
        if (plan.read === "collect") {
          cap = plan.cap;
          body = collectBytes(cap);
        }
      } catch (error) {
        fail(controller, error);
      }
    },
    onResponseData(controller, chunk) {
      if (body) {
        if (!body.add(chunk)) fail(controller, new BodyTooLarge(cap));
        return;
      }
      skipped += chunk.length;
      if (skipped > SKIP_BYTES) {
        finish(false);
        controller.abort(new Error("the body is not wanted"));
      }
    },
    onResponseEnd: () => finish(true),
    onResponseError: (_controller, error) => reject(error),
  };
  const fail = (controller: Dispatcher.DispatchController, error: unknown) => {
    reject(error);
    controller.abort(new Error("the answer is refused"));
  };

  // Closing the connection is left to whoever discards it, which follows at once.
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    connection.client.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body,
        // One call at a time on a connection: nothing is resent by undici.
        idempotent: false,
      },
      handler,
    );
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function plainHeaders(head: Readonly<Record<string, string | string[] | undefined>>) {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(head)) {
    if (value === undefined || name === "__proto__") continue;
    // Dates in Set-Cookie contain commas, so its values cannot be joined by them.
    const separator = name === "set-cookie" ? "\n" : ", ";
    headers[name] = Array.isArray(value) ? value.join(separator) : value;
  }
  return headers;
}
