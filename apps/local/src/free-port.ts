import { createServer } from "node:net";

/** A TCP port of 127.0.0.1 that was free a moment ago. Whoever uses it must cope with having lost it since. */
export function freePort(): Promise<number> {
  return portIsFree(0);
}

/**
 * Opens the port and closes it again.
 *
 * @returns the port (the one chosen by the system for 0)
 * @throws the system's error (`EADDRINUSE`, `EACCES`) when it can't be opened
 */
export function portIsFree(port: number, host = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const opened = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => resolve(opened));
    });
  });
}
