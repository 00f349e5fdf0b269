import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** What a remote engine's service was asked. */
export interface Ask {
  readonly headers: IncomingHttpHeaders;
  /** The body as it came. */
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what tests look at is whatever was sent
  readonly body: any;
  /** How it was answered. */
  readonly status: number;
}

/** What a service answers with. `json` undefined: no body. */
export interface ServiceAnswer {
  status: number;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
}

/** A remote engine's service on loopback that answers as the test says. */
export interface Service {
  readonly url: string;
  /** For `TL_OUTBOUND_ALLOW`. */
  readonly address: string;
  readonly asks: readonly Ask[];
  asksOf(executionId: string): Ask[];
  /** Resolves with the nth call for that execution once it was answered. */
  asked(executionId: string, n?: number): Promise<Ask>;
  close(): Promise<void>;
}

/** Starts one. @param answer called for each request, with the parsed body; the answer is sent when it resolves */
export async function startService(
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  answer: (body: any, headers: IncomingHttpHeaders) => ServiceAnswer | Promise<ServiceAnswer>,
): Promise<Service> {
  const asks: Ask[] = [];
  const watchers = new Set<() => void>();
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      const text = Buffer.concat(chunks).toString("utf8");
      const body: unknown = JSON.parse(text);
      const given = await answer(body, request.headers);
      response.writeHead(given.status, { "content-type": "application/json", ...given.headers });
      response.end(given.text ?? (given.json === undefined ? "" : JSON.stringify(given.json)));
      asks.push({ headers: request.headers, text, body, status: given.status });
      for (const look of watchers) look();
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const asksOf = (id: string): Ask[] => asks.filter(({ body }) => body.execution_id === id);
  return {
    url: `http://${address}`,
    address,
    asks,
    asksOf,
    asked: (id, n = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = asksOf(id)[n - 1];
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
