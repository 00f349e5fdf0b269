import type { Accepted } from "./engine-contract.ts";
import type { CallOptions } from "./keys.ts";
import { makeIdempotencyKey } from "./idempotency-key.ts";
import { readPages } from "./pages.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type { OutboundCall, OutboundCallDetail } from "./wire.ts";

/** Which calls; what is left out does not narrow the list. */
export interface OutboundCallFilters extends CallOptions {
  executionId?: string | undefined;
  /** An engine's id. */
  engine?: string | undefined;
  connection?: string | undefined;
  protocol?: string | undefined;
  /** With its port where it is not the scheme's own. */
  host?: string | undefined;
  /** A status, or a class such as `5xx`. */
  status?: number | string | undefined;
  /** `failed`: it ended with an error, or was answered with 400 or more. */
  result?: "ok" | "failed" | undefined;
  errorCode?: string | undefined;
  purpose?: OutboundCall["purpose"] | undefined;
  attempt?: number | undefined;
  startedAfter?: Date | string | undefined;
  startedBefore?: Date | string | undefined;
  /** Calls a page, 1–100. Default 50. */
  pageSize?: number | undefined;
}

/** Calls one by one, newest first; the next page is asked for when the last one is used up. */
export interface OutboundCallPages extends AsyncIterable<OutboundCall> {
  /** The same, a page at a time; one may be short, or empty, and not be the last. */
  pages(): AsyncIterable<OutboundCall[]>;
}

/** What executions sent to the outside: the caller's own (tl-plane: everybody's). */
export interface OutboundCallsClient {
  list(filters?: OutboundCallFilters): OutboundCallPages;
  /** One call, with its bodies where its connection keeps them. */
  get(id: string, options?: CallOptions): Promise<OutboundCallDetail>;
  /**
   * Sends the very request again, by an execution of `http.request`. ProblemError `not_resendable` says why not.
   * Repeated after a broken connection under one Idempotency-Key, so that it is sent once.
   */
  resend(id: string, options?: CallOptions & { idempotencyKey?: string }): Promise<Accepted>;
}

export function createOutboundCallsClient(http: Http): OutboundCallsClient {
  return {
    list: (filters = {}) => {
      const pages = () =>
        readPages<OutboundCall>(http, {
          path: pathOf("outbound-calls"),
          member: "calls",
          query: {
            execution_id: filters.executionId,
            engine: filters.engine,
            connection: filters.connection,
            protocol: filters.protocol,
            host: filters.host,
            status: filters.status,
            result: filters.result,
            error_code: filters.errorCode,
            purpose: filters.purpose,
            attempt: filters.attempt,
            started_after: timeText(filters.startedAfter),
            started_before: timeText(filters.startedBefore),
            limit: filters.pageSize,
          },
          signal: filters.signal,
        });
      return {
        pages,
        async *[Symbol.asyncIterator]() {
          for await (const page of pages()) yield* page;
        },
      };
    },
    async get(id, { signal } = {}) {
      const answer = await http.send({ method: "GET", path: pathOf("outbound-calls", id), signal });
      return answer.body as OutboundCallDetail;
    },
    async resend(id, { idempotencyKey = makeIdempotencyKey(), signal } = {}) {
      const answer = await http.send({
        method: "POST",
        path: pathOf("outbound-calls", id, "resend"),
        headers: { "idempotency-key": idempotencyKey },
        signal,
      });
      return answer.body as Accepted;
    },
  };
}

function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}
