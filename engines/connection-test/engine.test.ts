import type { Clients, HttpRequestOptions } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, it } from "vitest";
import connectionTest from "./engine.ts";

const unused = () => {
  throw new Error("not asked for");
};
const others: Clients = { http: unused, grpc: unused, websocket: unused, smtp: unused };

it("makes one call through the connection that is named, and takes any answer", async () => {
  const asked: [connection: string | undefined, url: string, options: HttpRequestOptions][] = [];
  const output = await runEngine(
    connectionTest,
    { connection: "crm", path: "/health" },
    {
      clients: {
        ...others,
        http: (connection) => ({
          async request(url, options = {}) {
            asked.push([connection, url, options]);
            return {
              status: 503,
              headers: {},
              url,
              redirects: 0,
              durationMs: 12,
              bytes: new Uint8Array(),
              text: () => "",
              json: () => null,
            };
          },
        }),
      },
    },
  );
  expect(output).toEqual({ status: 503, duration_ms: 12 });
  expect(asked).toEqual([
    [
      "crm",
      "/health",
      { method: "GET", redirect: "none", acceptStatus: "any", timeout: "15s", step: "test" },
    ],
  ]);
});

it("asks a gRPC server for its health, and takes a status for an answer", async () => {
  const asked: unknown[] = [];
  const input = { connection: "crm", kind: "grpc" } as const;
  const grpc =
    (status: number): Clients["grpc"] =>
    (connection) => ({
      async call(method) {
        asked.push(connection, method);
        if (status > 0) throw Object.assign(new Error("no"), { status });
        return {
          messages: [],
          streaming: false,
          endedBy: "status",
          headers: {},
          trailers: {},
          durationMs: 1,
        };
      },
    });
  const run = (status: number) =>
    runEngine(connectionTest, input, { clients: { ...others, grpc: grpc(status) } });
  expect(await run(0)).toMatchObject({ status: 0 });
  expect(await run(12)).toMatchObject({ status: 12 });
  expect(asked.slice(0, 2)).toEqual(["crm", "grpc.health.v1.Health/Check"]);
});

it("shakes hands with a WebSocket server; no connection at all is no answer", async () => {
  const input = { connection: "feed", kind: "websocket", path: "/prices" } as const;
  const asked: unknown[] = [];
  const websocket: Clients["websocket"] = (connection) => ({
    async exchange(url) {
      asked.push(connection, url);
      if (asked.length > 2) throw new Error("refused");
      return { messages: [], endedBy: "idle", close: null, subprotocol: null, durationMs: 1 };
    },
  });
  const run = () => runEngine(connectionTest, input, { clients: { ...others, websocket } });
  expect(await run()).toMatchObject({ status: 101 });
  expect(asked).toEqual(["feed", "/prices"]);
  await expect(run()).rejects.toThrow("refused");
});
