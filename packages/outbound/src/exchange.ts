import { type Dispatcher } from "undici";

import { type CallEnd } from "./call-end.ts";
import { type PooledSocket } from "./connection-pool.ts";
import { BodyTooLarge, collectBytes, type ResponseBytes } from "./response-bytes.ts";

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

/** Hears how an exchange goes, and has a say in it. */
export interface ExchangeWatcher {
  /** Called before the first byte is written: from here on the request may have had its effect. */
  onSending(): void;
  /** Called with the head of the answer; throws when the answer is refused for what it says. */
  planBody(status: number, headers: Readonly<Record<string, string>>): BodyPlan;
}

/** A body that nobody wants is read up to here so that its connection can be kept. */
const SKIP_BYTES = 16 * 1024;

const NOTHING = new Uint8Array(0);

/**
 * Sends one request over a connection and reads the answer whole. It ends with the answer, with what
 * `planBody` threw, with BodyTooLarge, with undici's error, or with the reason of the call's end; in all cases
 * but the first the connection must be discarded.
 */
export function exchange(
  pooled: PooledSocket,
  request: OutboundRequest,
  end: CallEnd,
  watcher: ExchangeWatcher,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    end.throwIfOver();
    const handler = new Exchange(end, watcher, resolve, reject);
    // Closing the connection is left to whoever discards it, which follows at once.
    end.listen(handler.fail);
    pooled.client.dispatch(
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
  });
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #end: CallEnd;
  readonly #watcher: ExchangeWatcher;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  #status = 0;
  #headers: Record<string, string> = {};
  #skipped = 0;
  #cap = 0;
  #body: ResponseBytes | null = null;

  constructor(
    end: CallEnd,
    watcher: ExchangeWatcher,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#end = end;
    this.#watcher = watcher;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(): void {
    this.#watcher.onSending();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    head: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return; // interim answers (RFC 9110 §15.2)
    this.#status = status;
    this.#headers = plainHeaders(head);
    try {
      const plan = this.#watcher.planBody(status, this.#headers);
      if (plan.read === "collect") {
        this.#cap = plan.cap;
        this.#body = collectBytes(plan.cap);
      }
    } catch (error) {
      this.#refuse(controller, error);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#body !== null) {
      if (!this.#body.add(chunk)) this.#refuse(controller, new BodyTooLarge(this.#cap));
      return;
    }
    this.#skipped += chunk.length;
    if (this.#skipped > SKIP_BYTES) {
      this.#finish(false);
      controller.abort(new Error("the body is not wanted"));
    }
  }

  onResponseEnd(): void {
    this.#finish(true);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  readonly fail = (error: unknown): void => {
    this.#end.listen(null);
    this.#reject(error);
  };

  #refuse(controller: Dispatcher.DispatchController, error: unknown): void {
    this.fail(error);
    controller.abort(new Error("the answer is refused"));
  }

  #finish(reusable: boolean): void {
    this.#end.listen(null);
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      body: this.#body?.take() ?? NOTHING,
      reusable,
    });
  }
}

function plainHeaders(
  head: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  if (isPlain(head)) return head;
  const headers: Record<string, string> = {};
  for (const name of Object.keys(head)) {
    const value = head[name];
    if (value === undefined || name === "__proto__") continue;
    // Dates in Set-Cookie contain commas, so its values cannot be joined by them.
    headers[name] = Array.isArray(value) ? value.join(name === "set-cookie" ? "\n" : ", ") : value;
  }
  return headers;
}

/** Whether every header came once, as in most answers: undici made the object for this answer alone. */
function isPlain(
  head: Readonly<Record<string, string | string[] | undefined>>,
): head is Record<string, string> {
  for (const name in head) {
    if (typeof head[name] !== "string" || name === "__proto__") return false;
  }
  return true;
}
