import type { ServerResponse } from "node:http";
import type { Ready } from "@tl-engine/contract";
import type { Registry } from "prom-client";
import { serve, type MetricsServer } from "./serve.ts";

export { MetricsPortTakenError, type MetricsServer } from "./serve.ts";

export interface ServeMetricsOptions {
  /** `metricsPort` of the configuration. null: `defaultPort`, or the next free one; 0: any. */
  readonly port: number | null;
  /** 9464 for an API, 9465 for a worker. */
  readonly defaultPort: number;
  readonly host: string;
  readonly registry: Registry;
  /** Whether the process can do its work, for `/readyz`. */
  readonly ready: () => Promise<Ready>;
  /** Whether the process should go on living, for `/healthz`; always, where it is left out. */
  readonly alive?: () => boolean;
  /** Hears what went wrong while answering. */
  readonly onError: (error: unknown) => void;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz` for operators, on a port that callers don't reach.
 * @throws MetricsPortTakenError where `port` is given and taken
 */
export function serveMetrics(options: ServeMetricsOptions): Promise<MetricsServer> {
  const { port, defaultPort, host, onError } = options;
  return serve({
    port,
    defaultPort,
    host,
    onError,
    answer(request, response) {
      const path = request.url?.split("?")[0] ?? "";
      answer(options, request.method ?? "", path, response).catch((error: unknown) => {
        onError(error);
        send(response, 500, "text/plain", "Something went wrong; the log says what.\n");
      });
    },
  });
}

async function answer(
  { registry, ready, alive = () => true }: ServeMetricsOptions,
  method: string,
  path: string,
  response: ServerResponse,
): Promise<void> {
  if (!["/metrics", "/healthz", "/readyz"].includes(path)) {
    return send(response, 404, "text/plain", "Here are /metrics, /healthz and /readyz.\n");
  }
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return send(response, 405, "text/plain", "Only GET.\n");
  }
  if (path === "/metrics") {
    return send(response, 200, registry.contentType, await registry.metrics());
  }
  if (path === "/healthz") {
    const ok = alive();
    return sendJson(response, ok ? 200 : 503, { status: ok ? "ok" : "stuck" });
  }
  const state = await ready();
  return sendJson(response, state.status === "ready" ? 200 : 503, state);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, "application/json", JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" });
  // Node leaves the body out of an answer to HEAD.
  response.end(body);
}
