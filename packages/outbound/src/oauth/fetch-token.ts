import { randomUUID } from "node:crypto";

import { OutboundError, OutboundRefusedError } from "../errors.ts";
import { type HttpResponse } from "../http-client.ts";
import { noConnections } from "../no-connections.ts";
import { type Outbound } from "../outbound.ts";
import { type CallLog, type Connection } from "../ports.ts";
import { type CallScope } from "../scope.ts";
import { endpointConnection } from "./endpoint-connection.ts";
import {
  readTokenAnswer,
  tokenError,
  type FetchedToken,
  type TokenExchange,
} from "./read-token-answer.ts";
import { tokenRequest } from "./token-request.ts";

export { DEFAULT_LIFE_MS, type FetchedToken } from "./read-token-answer.ts";
export { TokenError } from "./token-error.ts";

/** Longest answer that is read, bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** For the whole exchange, ms. */
const TIMEOUT_MS = 10_000;

/** The execution whose call needs the token: the fetch is put on record as its own. */
export type TokenCause = Pick<CallScope, "executionId" | "attempt" | "dispatch" | "traceparent">;

/**
 * Fetches an access token for a connection's OAuth client, once, without a retry.
 *
 * @param refreshToken the newest that is known; null: the one that the connection was given
 * @throws TokenError, OutboundRefusedError (the endpoint may not be called), or the signal's reason
 */
export type FetchToken = (
  connection: Connection,
  refreshToken: string | null,
  cause: TokenCause,
  signal: AbortSignal,
) => Promise<FetchedToken>;

export interface TokenFetcherOptions {
  /** For the whole exchange, ms. Default 10 s. */
  readonly timeoutMs?: number;
  /** Default: this machine's clock. */
  readonly now?: () => Date;
}

/**
 * Fetches tokens through the guarded door: judged like any other target, without redirects, with a limit on time and
 * size, and a row of the log with purpose `token` for each.
 *
 * @param openDoor may open it only now: many processes never fetch a token
 */
export function createTokenFetcher(
  openDoor: () => Promise<Outbound>,
  callLog: CallLog,
  { timeoutMs = TIMEOUT_MS, now = () => new Date() }: TokenFetcherOptions = {},
): FetchToken {
  return async (connection, refreshToken, cause, signal) => {
    const { auth, id } = connection;
    if (auth.type !== "oauth2_client_credentials" && auth.type !== "oauth2_refresh_token") {
      throw new OutboundRefusedError(`the connection ${id} has no OAuth client`);
    }
    const { headers, body, secrets } = await tokenRequest(connection, auth, refreshToken, now());
    const exchange = { connectionId: id, endpoint: endpointOf(auth.tokenUrl), secrets };
    const url = URL.parse(auth.tokenUrl);
    if (url === null) throw new OutboundRefusedError(`the connection ${id} has no token_url`);
    const endpoint = endpointConnection(connection, url, timeoutMs);
    const scope: CallScope = {
      ...cause,
      ...noConnections,
      connections: { connection: () => Promise.resolve(endpoint) },
      signal,
      callLog: {
        // The circuit is that of the connection's own calls.
        record: (call) => callLog.record({ ...call, purpose: "token", breaker_state: null }),
      },
    };
    let response: HttpResponse;
    try {
      const door = await openDoor();
      response = await door.http(scope, id).request(auth.tokenUrl, {
        method: "POST",
        headers,
        body,
        timeout: timeoutMs,
        maxResponseBytes: MAX_ANSWER_BYTES,
        redirect: "none",
        acceptStatus: "any",
        step: "token",
        // Asking twice does no harm, so that whatever breaks on the way may be tried again.
        idempotent: true,
        // Of its own each time: an endpoint that knows such keys must not give the old answer again.
        idempotencyKey: randomUUID(),
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw unreached(exchange, error, timeoutMs);
    }
    return readTokenAnswer(exchange, response);
  };
}

/** What the door says, in words of the connection. */
function unreached(exchange: TokenExchange, error: unknown, timeoutMs: number): unknown {
  if (!(error instanceof OutboundError)) return error;
  switch (error.code) {
    case "outbound_refused":
      return new OutboundRefusedError(
        `connection ${exchange.connectionId}: its token endpoint: ${error.message}`,
      );
    case "timeout":
      return tokenError(exchange, `gave no whole answer within ${timeoutMs} ms`, {
        code: "connection_failed",
        retryable: true,
      });
    case "connection_failed":
      return tokenError(exchange, `was not reached: ${error.message}`, {
        code: "connection_failed",
        retryable: error.retryable,
      });
    default:
      return tokenError(exchange, `gave no answer that can be used: ${error.message}`, {
        retryable: error.retryable,
      });
  }
}

function endpointOf(tokenUrl: string): string {
  const url = URL.parse(tokenUrl);
  return url === null ? "" : `${url.host}${url.pathname.slice(0, 256)}`;
}
