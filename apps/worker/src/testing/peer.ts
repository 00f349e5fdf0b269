// oxlint-disable-next-line eslint/no-restricted-imports -- a server that tests start on loopback
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server outside, on loopback. */
export interface Peer {
  readonly origin: string;
  /** `host:port`, for TL_OUTBOUND_ALLOW. */
  readonly host: string;
  /** Requests that arrived, oldest first. */
  readonly requests: { method: string; url: string; headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

/** Starts one that answers 200, or as it is told. */
export async function startPeer(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) =>
    void response.end("{}"),
): Promise<Peer> {
  const requests: Peer["requests"] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    requests.push({ method, url, headers });
    request.resume();
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
