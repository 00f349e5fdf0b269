import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Ready } from "@tl-engine/contract";
import type { Registry } from "prom-client";

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

export interface MetricsServer {
  /** The one that was taken, to be logged. */
  readonly port: number;
  close(): Promise<void>;
}

/** The port that was asked for is another process's. */
export class MetricsPortTakenError extends Error {
  override name = "MetricsPortTakenError";
  constructor(port: number) {
    super(
      `TL_METRICS_PORT ${port} is taken by another process. Choose another one, 0 for any free one, or leave it out.`,
    );
  }
}

/** How many ports after the default one are tried: as many processes as one host holds. */
const portsToTry = 100;

/**
 * Serves `/metrics`, `/healthz` and `/readyz` for operators, on a port that callers don't reach.
 * @throws MetricsPortTakenError where `port` is given and taken
 */
export async function serveMetrics(options: ServeMetricsOptions): Promise<MetricsServer> {
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 15_000, maxHeaderSize: 16_384 },
    (request, response) => {
      const path = request.url?.split("?")[0];
      answer(options, request.method ?? "", path ?? "", response).catch((error: unknown) => {
        options.onError(error);
        send(response, 500, "text/plain", "Something went wrong; the log says what.\n");
      });
    },
  );
  server.maxConnections = 100;
  await listenSomewhere(server, options);
  server.on("error", options.onError);
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

async function listenSomewhere(server: Server, options: ServeMetricsOptions): Promise<void> {
  const { port, defaultPort, host } = options;
  const last = port ?? defaultPort + portsToTry;
  for (let candidate = port ?? defaultPort; candidate <= last; candidate++) {
    try {
      server.listen(candidate, host);
      await once(server, "listening");
      return;
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!taken) throw error;
    }
  }
  throw new MetricsPortTakenError(last);
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
