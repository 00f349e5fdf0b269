import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the scripted API saw it. */
export interface SeenRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingMessage["headers"];
  /** The parsed JSON; undefined without a body. */
  json: unknown;
  /** `performance.now()` at its arrival. */
  at: number;
  /** Ends when the caller hung up or the answer was sent. */
  closed: Promise<void>;
}

/** What to answer: plain facts, or code that has the connection in its hands. */
export type Reply =
  | { status: number; headers?: Record<string, string>; json?: unknown; text?: string }
  | ((request: SeenRequest, response: ServerResponse) => unknown);

/** An HTTP server on loopback that answers what the test said; for the tests of the client and of `tl`. */
export interface ScriptedServer {
  readonly url: string;
  readonly requests: SeenRequest[];
  /** Answers of one route (`"GET /api/v1/engines"`), in order; the last one stays. */
  on(route: string, ...replies: Reply[]): void;
  close(): Promise<void>;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  const routes = new Map<string, Reply[]>();
  const requests: SeenRequest[] = [];
  const server = createServer((incoming, response) => {
    void (async () => {
      const request = await readRequest(incoming, response);
      requests.push(request);
      const replies = routes.get(`${request.method} ${request.path}`) ?? [];
      const reply = replies.length > 1 ? replies.shift() : replies[0];
      if (typeof reply === "function") reply(request, response);
      else send(response, reply ?? { status: 404, json: problem("not_found", 404) });
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    on: (route, ...replies) => routes.set(route, replies),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A problem body as the API writes it. */
export function problem(
  code: string,
  status: number,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    type: `https://tl-engine.dev/docs/errors#${code}`,
    title: `The title of ${code}`,
    status,
    detail: `The detail of ${code}`,
    code,
    request_id: "req-1",
    ...more,
  };
}

/** An execution as the API describes it. */
export function execution(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    execution_id: "0199",
    engine: "resize",
    version: 2,
    status: "queued",
    done: false,
    created_at: "2026-01-01T00:00:00.000Z",
    run_at: null,
    started_at: null,
    finished_at: null,
    expires_at: "2026-01-02T00:00:00.000Z",
    attempt: 0,
    max_attempts: 3,
    progress: null,
    wait: null,
    output: null,
    error: null,
    cancel: null,
    metrics: { queued_ms: null, run_ms: null },
    tags: [],
    metadata: {},
    links: {
      self: "/api/v1/executions/0199",
      status: "/api/v1/engines/resize/status?execution_id=0199",
      cancel: "/api/v1/executions/0199/cancel",
    },
    ...more,
  };
}

/** A succeeded execution. */
export function succeeded(output: unknown): Record<string, unknown> {
  return execution({ status: "succeeded", done: true, attempt: 1, output });
}

/** What a 202 says. */
export function accepted(more: Record<string, unknown> = {}): Record<string, unknown> {
  const { execution_id, engine, version, status, done, created_at, links } = execution();
  return { execution_id, engine, version, status, done, created_at, links, ...more };
}

/** Sends an answer that a function decided on. */
export function send(response: ServerResponse, reply: Exclude<Reply, Function>): void {
  const type = reply.status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(reply.status, { "content-type": type, ...reply.headers });
  response.end(reply.text ?? (reply.json === undefined ? undefined : JSON.stringify(reply.json)));
}

async function readRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<SeenRequest> {
  const at = performance.now();
  const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
  const url = new URL(incoming.url ?? "/", "http://loopback");
  let text = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) text += chunk;
  return {
    method: incoming.method ?? "",
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    json: text === "" ? undefined : JSON.parse(text),
    at,
    closed,
  };
}
