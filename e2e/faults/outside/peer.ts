import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request that came to a peer. */
export interface Heard {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  /** By `performance.now()`, once it had come whole. */
  at: number;
}

/** A system outside on loopback, which answers as the case says and outlives every fault. */
export interface Peer {
  readonly url: string;
  /** For `TL_OUTBOUND_ALLOW`. */
  readonly address: string;
  close(): Promise<void>;
}

/** @param answer called for each request; it may answer at once, later or never */
export async function startPeer(
  answer: (heard: Heard, response: ServerResponse) => void | Promise<void>,
): Promise<Peer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    // Whoever is killed while it sends is no fault of the peer's.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const text = Buffer.concat(chunks).toString("utf8");
      void answer({ method, path, headers, text, at: performance.now() }, response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
