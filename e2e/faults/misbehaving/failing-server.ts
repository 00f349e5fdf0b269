import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A server outside that answers `/<mode>/<execution id>` as the mode says, and counts. */
export interface FailingServer {
  readonly url: string;
  /** For `TL_OUTBOUND_ALLOW`. */
  readonly address: string;
  /** What an execution asked for, and when, by `performance.now()`. */
  callsOf(executionId: string): { mode: string; times: readonly number[] };
  close(): Promise<void>;
}

/** Modes: a status; `429` says when to come back; `reset` breaks the connection; `hang` never answers. */
export async function startFailingServer(): Promise<FailingServer> {
  const calls = new Map<string, { mode: string; times: number[] }>();
  const server = createServer((request, response) => {
    const [, mode = "", id = ""] = (request.url ?? "").split("/");
    const its = calls.get(id) ?? { mode, times: [] };
    calls.set(id, its);
    its.times.push(performance.now());
    request.resume();
    if (mode === "reset") request.socket.resetAndDestroy();
    else if (mode === "429") response.writeHead(429, { "retry-after": "1" }).end();
    else if (mode !== "hang") response.writeHead(Number(mode)).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    callsOf: (id) => calls.get(id) ?? { mode: "", times: [] },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
