import { once } from "node:events";
import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";

/** A server on a free port of 127.0.0.1, with what it saw. */
export interface LoopbackServer {
  readonly port: number;
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
  /** Connections accepted so far. */
  connections(): number;
  /** Connections open at this moment. */
  open(): number;
  /** Ends when no connection is open. */
  allClosed(): Promise<void>;
  /** Ends when no more than so many are open. */
  closedDownTo(count: number): Promise<void>;
  close(): Promise<void>;
}

/** An HTTP server that answers with `listener`. */
export function startHttp(listener: RequestListener): Promise<LoopbackServer> {
  return startServer(createServer({ keepAliveTimeout: 60_000 }, listener));
}

/** A TCP server whose peers `onSocket` serves, byte by byte. */
export function startTcp(onSocket: (socket: Socket) => void): Promise<LoopbackServer> {
  return startServer(createTcpServer(onSocket));
}

/** Puts a server on a free port and counts its connections. */
export async function startServer(server: Server | HttpServer): Promise<LoopbackServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let waiting: { readonly count: number; resolve(): void }[] = [];
  const closedDownTo = (count: number): Promise<void> => {
    if (sockets.size <= count) return Promise.resolve();
    return new Promise((resolve) => waiting.push({ count, resolve }));
  };
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      const reached = waiting.filter(({ count }) => sockets.size <= count);
      waiting = waiting.filter((each) => !reached.includes(each));
      for (const { resolve } of reached) resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    port,
    host: `127.0.0.1:${port}`,
    origin: `http://127.0.0.1:${port}`,
    connections: () => connections,
    open: () => sockets.size,
    allClosed: () => closedDownTo(0),
    closedDownTo,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
