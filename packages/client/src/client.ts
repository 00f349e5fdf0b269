import { createConnectionsClient, type ConnectionsClient } from "./connections.ts";
import { credentialHeaders, type Credential } from "./credential.ts";
import type { Accepted, EngineRef, Execution, InputOf, OutputOf } from "./engine-contract.ts";
import { execute, type ExecuteOptions } from "./execute.ts";
import { createKeysClient, type CallOptions, type KeysClient } from "./keys.ts";
import { listExecutions, type ExecutionPages, type ListFilters } from "./list-executions.ts";
import { createOutboundCallsClient, type OutboundCallsClient } from "./outbound-calls.ts";
import { readAll } from "./pages.ts";
import { pathOf } from "./path.ts";
import { readStatus, readStatuses, type ExecutionBatch, type ReadOptions } from "./read-status.ts";
import { createRemoteEnginesClient, type RemoteEnginesClient } from "./remote-engines.ts";
import { createHttp, retryPolicy, type RetryOptions } from "./retry.ts";
import { run, type RunOptions } from "./run.ts";
import { waitUntilDone, type WaitOptions } from "./wait-until-done.ts";
import { createWebhooksClient, type WebhooksClient } from "./webhooks.ts";
import type { EngineDetail, EngineMetrics, EngineStatus, EngineSummary } from "./wire.ts";

export interface ClientOptions extends Credential {
  /** Where the API is: `http://127.0.0.1:3000`; a path before `/api` is kept. */
  baseUrl: string | URL;
  /** Default: the platform's own. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds for one try, on top of what the API was asked to hold. Default 30 000. */
  timeoutMs?: number | undefined;
  /** Tries after the first one, or how to retry in detail. Default 4. */
  retries?: number | RetryOptions | undefined;
}

/** The API as functions. Every one of them can throw ProblemError, ConnectionError and UnexpectedAnswerError. */
export interface Client {
  /** Submits an execution and gives its receipt; see `run` for the result. */
  execute<E extends EngineRef>(
    engine: E,
    input: InputOf<E>,
    options?: ExecuteOptions,
  ): Promise<Accepted | Execution<OutputOf<E>>>;
  /** Submits an execution and waits for its output; ExecutionFailedError when there is none. */
  run<E extends EngineRef>(
    engine: E,
    input: InputOf<E>,
    options?: RunOptions,
  ): Promise<OutputOf<E>>;
  /** How an execution is now. */
  status<Output = unknown>(id: string, options?: ReadOptions): Promise<Execution<Output>>;
  /** How several are now; those that don't exist are listed, not thrown. */
  statuses(ids: readonly string[], options?: ReadOptions): Promise<ExecutionBatch>;
  /** Waits until it is done, however it ends. WaitTimeoutError when `timeoutMs` is up. */
  wait<Output = unknown>(id: string, options?: WaitOptions): Promise<Execution<Output>>;
  /** Asks for its end. Look at `cancel.effect` and `done`: one that runs ends a moment later. */
  cancel(id: string, options?: CallOptions): Promise<Execution>;
  /** The caller's executions, newest first. */
  list(filters?: ListFilters): ExecutionPages;
  engines(options?: CallOptions): Promise<EngineSummary[]>;
  /** One engine with its schemas, defaults and example. */
  engine(id: string, options?: CallOptions): Promise<EngineDetail>;
  /** State and queue of the engines. */
  engineStatuses(options?: CallOptions): Promise<EngineStatus[]>;
  /** Figures of the engines named, or of all; needs the scope `metrics:read`. */
  metrics(options?: CallOptions & { engines?: readonly string[] }): Promise<EngineMetrics[]>;
  readonly outboundCalls: OutboundCallsClient;
  readonly keys: KeysClient;
  readonly connections: ConnectionsClient;
  readonly webhooks: WebhooksClient;
  readonly remoteEngines: RemoteEnginesClient;
}

/**
 * Makes a client.
 *
 * ```ts
 * const client = createClient({ baseUrl: "http://127.0.0.1:3000", apiKey: "tlk_…" });
 * const output = await client.run("echo", { hello: "world" });
 * ```
 *
 * @throws TypeError when the address or the credential can't be right
 */
export function createClient(options: ClientOptions): Client {
  const { fetch = (input, init) => globalThis.fetch(input, init), timeoutMs = 30_000 } = options;
  const http = createHttp(
    {
      baseUrl: baseAddress(options.baseUrl),
      credential: credentialHeaders(options),
      fetch,
      timeoutMs,
    },
    retryPolicy(options.retries),
  );
  return {
    execute: (engine, input, given) => execute(http, engine, input, given),
    run: (engine, input, given) => run(http, engine, input, given),
    status: (id, given) => readStatus(http, id, given),
    statuses: (ids, given) => readStatuses(http, ids, given),
    wait: (id, given) => waitUntilDone(http, id, given),
    async cancel(id, { signal } = {}) {
      const answer = await http.send({
        method: "POST",
        path: pathOf("executions", id, "cancel"),
        signal,
      });
      return answer.body as Execution;
    },
    list: (filters) => listExecutions(http, filters),
    engines: ({ signal } = {}) =>
      readAll<EngineSummary>(http, {
        path: pathOf("engines"),
        member: "engines",
        query: { limit: 100 },
        signal,
      }),
    async engine(id, { signal } = {}) {
      const answer = await http.send({ method: "GET", path: pathOf("engines", id), signal });
      return answer.body as EngineDetail;
    },
    async engineStatuses({ signal } = {}) {
      const answer = await http.send({ method: "GET", path: pathOf("engines", "status"), signal });
      return (answer.body as { engines: EngineStatus[] }).engines;
    },
    async metrics({ engines, signal } = {}) {
      const answer = await http.send({
        method: "GET",
        path: pathOf("engines", "metrics"),
        query: { engine: engines?.join(",") },
        signal,
      });
      return (answer.body as { engines: EngineMetrics[] }).engines;
    },
    outboundCalls: createOutboundCallsClient(http),
    keys: createKeysClient(http),
    connections: createConnectionsClient(http),
    webhooks: createWebhooksClient(http),
    remoteEngines: createRemoteEnginesClient(http),
  };
}

function baseAddress(baseUrl: string | URL): string {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new TypeError(`createClient: baseUrl is no address: ${String(baseUrl)}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`createClient: baseUrl must begin with http:// or https://: ${url.href}`);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new TypeError("createClient: baseUrl must have no user, query or fragment");
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
