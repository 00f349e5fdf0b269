import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ServeOptions {
  /** null: `defaultPort`, or the next free one; 0: any. */
  readonly port: number | null;
  readonly defaultPort: number;
  readonly host: string;
  readonly answer: RequestListener;
  /** Hears what goes wrong with the listening itself. */
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
 * Listens for operators' requests.
 * @throws MetricsPortTakenError where `port` is given and taken
 */
export async function serve(options: ServeOptions): Promise<MetricsServer> {
  const limits = { headersTimeout: 10_000, requestTimeout: 15_000, maxHeaderSize: 16_384 };
  const server = createServer(limits, options.answer);
  server.maxConnections = 100;
  await listenSomewhere(server, options);
  server.on("error", options.onError);
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listenSomewhere(server: Server, options: ServeOptions): Promise<void> {
  const { port, defaultPort, host } = options;
  const last = port ?? Math.min(defaultPort + portsToTry, 65_535);
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
