/**
 * What an engine sees of the outside. The door itself is packages/outbound; this file says its
 * shape once more, so that the published package needs nothing else of ours, and
 * `clients.test.ts` compiles only while the two agree.
 */

import { type GrpcClient } from "./grpc-client.ts";
import { type SmtpClient } from "./smtp-client.ts";
import { type WebSocketClient } from "./websocket-client.ts";

/** Which statuses are a success: all of them, a list of statuses and classes, or a question. */
export type AcceptStatus =
  | "any"
  | readonly (number | "1xx" | "2xx" | "3xx" | "4xx" | "5xx")[]
  | ((status: number) => boolean);

export interface HttpRequestOptions {
  /** Default GET. CONNECT and TRACE are refused. */
  readonly method?: string | undefined;
  /** Host, Content-Length and hop-by-hop headers are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as application/json. Not together with `body`. */
  readonly json?: unknown;
  readonly body?: string | Uint8Array | undefined;
  /**
   * For the whole call, with its redirects, body, retries and waits: milliseconds or `500ms`, `30s`, `5m`. Default 30 s; through
   * a connection none but what that says of each try.
   */
  readonly timeout?: number | string | undefined;
  /** Cap on the decompressed body in bytes. Default 5 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** `follow` (default): up to 3 redirects, each judged again. `none`: the 3xx is the answer. */
  readonly redirect?: "follow" | "none" | undefined;
  /** Sent as Idempotency-Key. Default for POST, PUT, PATCH and DELETE: `<execution id>/<step>`. */
  readonly idempotencyKey?: string | undefined;
  /** Says that the other side does nothing twice, so that a POST or PATCH may be sent again, in this attempt or a later one. */
  readonly idempotent?: boolean | undefined;
  /** Names this call within its execution, for the log and the idempotency key. Default: its number. */
  readonly step?: string | undefined;
  /** Default: every status below 400; all others throw, with code `upstream_error`. */
  readonly acceptStatus?: AcceptStatus | undefined;
}

/** An answer, read whole. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. */
  readonly url: string;
  /** How many redirects were followed. */
  readonly redirects: number;
  readonly durationMs: number;
  /** The body, decompressed. */
  readonly bytes: Uint8Array;
  /** The body in the charset that Content-Type names, else UTF-8. */
  text(): string;
  /** Throws (`upstream_error`, not retried) when the body is not JSON. */
  json(): unknown;
}

export interface HttpClient {
  /**
   * Makes one call. Through a connection it is tried again as that connection's policy says; to a plain address it is
   * made once. What it throws carries `code`, `retryable` and `retryAfterMs`, and left alone it makes the worker retry the
   * execution, park it, or not, accordingly.
   */
  request(url: string, options?: HttpRequestOptions): Promise<HttpResponse>;
}

/** Every client that an engine can ask for under `uses`. */
export interface Clients {
  /** Without a name: any public address. With one: through that connection, whose base URL the addresses are below. */
  http(connection?: string): HttpClient;
  /** Without a name each call says its target. */
  grpc(connection?: string): GrpcClient;
  /** Without a name: any public address. */
  websocket(connection?: string): WebSocketClient;
  /** Through a connection of kind smtp, which knows the server. */
  smtp(connection: string): SmtpClient;
}
export type ClientKind = keyof Clients;
export const clientKinds: readonly ClientKind[] = ["http", "grpc", "websocket", "smtp"];

/** A client under `uses`: of a kind, with any connection (`http`), or with one connection alone (`http:crm`). */
export type Use = ClientKind | `${ClientKind}:${string}`;

const connectionId = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Takes a word of `uses` apart; null where it is none. `connection` null: any, and none. */
export function useOf(word: unknown): { kind: ClientKind; connection: string | null } | null {
  if (typeof word !== "string") return null;
  const at = word.indexOf(":");
  const kind = clientKinds.find((known) => known === (at < 0 ? word : word.slice(0, at)));
  if (kind === undefined) return null;
  if (at < 0) return { kind, connection: null };
  const connection = word.slice(at + 1);
  return connectionId.test(connection) ? { kind, connection } : null;
}

type KindOf<U extends Use> = U extends `${infer K extends ClientKind}:${string}` ? K : U;

/** The connections that `uses` names for a kind; `undefined` and any where it names the kind alone. */
type ConnectionOf<U extends Use, K extends ClientKind> = K extends U
  ? Parameters<Clients[K]>[0]
  : U extends `${K}:${infer Name}`
    ? Name
    : never;

/** Every client, each for the connections that `uses` names. */
type Narrowed<U extends Use> = {
  readonly [K in ClientKind]: (
    ...connection: undefined extends ConnectionOf<U, K>
      ? [connection?: ConnectionOf<U, K>]
      : [connection: ConnectionOf<U, K>]
  ) => ReturnType<Clients[K]>;
};

/** The clients that an engine has by what it names under `uses`; any other does not compile. */
export type ClientsOf<U extends Use> = Pick<Narrowed<U>, KindOf<U> & ClientKind>;
