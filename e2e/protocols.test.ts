import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client } from "@tl-engine/client";
import type { Execution } from "@tl-engine/contract";
import {
  protoFiles,
  startGrpc,
  type GrpcTestServer,
} from "@tl-engine/outbound/testing/grpc-server.ts";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { WebSocketServer } from "ws";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";

const secret = "gr4c-s3cret";

interface UnaryCall {
  request: { itemId: string };
  metadata: { get(name: string): unknown[] };
}

let database: FreshDatabase;
let deployment: Deployment;
let plane: Client;
let grpc: GrpcTestServer;
let http: Server;
let webSockets: WebSocketServer;
let host: string;
let grpcCalls: unknown[] = [];

beforeAll(async () => {
  const inventory = {
    GetItem: (call: UnaryCall, answer: (error: unknown, value?: unknown) => void) => {
      for (const name of ["authorization", "idempotency-key", "traceparent"]) {
        grpcCalls.push(call.metadata.get(name));
      }
      if (call.request.itemId === "none") answer({ code: 5, details: "no such item" });
      else answer(null, { itemId: call.request.itemId, inStock: "9007199254740993", colour: 1 });
    },
    WatchItem: (stream: { write(value: unknown): void; end(): void }) => {
      for (const itemId of ["a", "b", "c"]) stream.write({ itemId });
      stream.end();
    },
  };
  // Its types want grpc-js' own, of which these handlers use a part.
  grpc = await startGrpc(inventory as unknown as Parameters<typeof startGrpc>[0]);
  http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("content-type", String(request.headers["content-type"]));
      response.end(Buffer.concat(chunks));
    });
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  webSockets = new WebSocketServer({ server: http, path: "/v1/feed" });
  webSockets.on("connection", (socket, request) => {
    socket.send(JSON.stringify({ hello: request.headers.authorization ?? null }));
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  database = await freshDatabase();
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    env: { TL_OUTBOUND_ALLOW: `${host},${grpc.host}` },
  });
  plane = deployment.client();
  await plane.connections.create({
    id: "shop",
    kind: "grpc",
    base_url: `grpc://${grpc.host}`,
    auth: { type: "bearer", token: secret },
  });
  await plane.connections.create({
    id: "feed",
    kind: "websocket",
    base_url: `ws://${host}/v1`,
    auth: { type: "bearer", token: secret },
  });
});

afterAll(async () => {
  await deployment?.stop();
  for (const socket of webSockets?.clients ?? []) socket.terminate();
  http?.closeAllConnections();
  http?.close();
  grpc?.close();
  await database?.drop({ force: true });
});

beforeEach(() => {
  deployment.showLogsOnFailure(onTestFailed);
  grpcCalls = [];
});

async function run(engine: string, input: object): Promise<Execution> {
  const { execution_id } = await plane.execute(engine, input);
  await plane.wait(execution_id, { timeoutMs: 60_000 });
  return plane.status(execution_id, { include: ["calls"] });
}

test("gRPC through a connection by the server's reflection, on record", async () => {
  const ended = await run("grpc.call", {
    connection: "shop",
    method: "shop.v1.Inventory/GetItem",
    message: { itemId: "A-17" },
  });
  expect(ended).toMatchObject({
    status: "succeeded",
    output: {
      message: { itemId: "A-17", inStock: "9007199254740993", colour: "COLOUR_BLUE" },
      messages: null,
    },
  });
  const trace = ended.execution_id.replaceAll("-", "");
  expect(grpcCalls).toEqual([
    [`Bearer ${secret}`],
    [`${ended.execution_id}/call`],
    [`00-${trace}-${trace.slice(16)}-00`],
  ]);
  expect(ended.calls).toMatchObject([
    { protocol: "grpc", connection: "shop", path: "/shop.v1.Inventory/GetItem", status: 0 },
  ]);
  expect(JSON.stringify(ended)).not.toContain(secret);
});

test("a gRPC stream to a plain address by .proto texts; a status that is no success", async () => {
  const target = `grpc://${grpc.host}`;
  const stream = await run("grpc.call", {
    target,
    proto: protoFiles,
    method: "shop.v1.Inventory/WatchItem",
    max_messages: 2,
  });
  expect(stream.output).toMatchObject({
    message: null,
    messages: [{ itemId: "a" }, { itemId: "b" }],
    ended_by: "cap",
  });
  const failed = await run("grpc.call", {
    target,
    method: "shop.v1.Inventory/GetItem",
    message: { itemId: "none" },
  });
  expect(failed).toMatchObject({
    status: "failed",
    attempt: 1,
    error: { code: "upstream_error", retryable: false, details: { status: 5 } },
  });
  const wrong = await run("grpc.call", {
    target,
    method: "shop.v1.Inventory/GetItem",
    message: { item: 1 },
  });
  expect(wrong.error).toMatchObject({ code: "input_invalid", retryable: false });
});

test("a WebSocket exchange through a connection, on record", async () => {
  const ended = await run("websocket.exchange", {
    connection: "feed",
    url: "/feed",
    send: [{ json: { ask: 1 } }, { base64: "AQL/" }],
    until: { count: 3 },
  });
  expect(ended).toMatchObject({
    status: "succeeded",
    output: {
      ended_by: "count",
      messages: [
        { type: "text", data: JSON.stringify({ hello: `Bearer ${secret}` }) },
        { type: "text", data: '{"ask":1}' },
        { type: "binary", data: "AQL/" },
      ],
    },
  });
  expect(ended.calls).toMatchObject([
    { protocol: "websocket", connection: "feed", host, path: "/v1/feed" },
  ]);
});

test("connections of both kinds can be tried", async () => {
  expect(await plane.connections.test("shop")).toMatchObject({ ok: true, status: 12 });
  expect(await plane.connections.test("feed", { path: "/feed" })).toMatchObject({
    ok: true,
    status: 101,
  });
  expect(await plane.connections.test("feed", { path: "/elsewhere" })).toMatchObject({
    ok: false,
    status: 400,
  });
});

test("what is not allowed is refused before anything is sent, whatever the protocol", async () => {
  for (const [engine, input] of [
    ["grpc.call", { target: "grpc://127.0.0.1:1", method: "a.B/C" }],
    ["websocket.exchange", { url: "ws://169.254.169.254/" }],
    ["grpc.call", { connection: "feed", method: "a.B/C" }],
    ["websocket.exchange", { connection: "feed", url: "ws://127.0.0.1:1/" }],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop
    const ended = await run(engine, input);
    expect(ended).toMatchObject({ status: "failed", error: { code: "outbound_refused" } });
  }
  expect(grpcCalls).toEqual([]);
});

test("Protocol Buffers over HTTP go out and come back as JSON", async () => {
  const ended = await run("http.request", {
    url: `http://${host}/items`,
    method: "POST",
    json: { itemId: "A-17", howMany: "5" },
    protobuf: {
      proto: protoFiles,
      request: "shop.v1.ItemRequest",
      response: "shop.v1.ItemRequest",
    },
  });
  expect(ended.output).toMatchObject({
    status: 200,
    headers: { "content-type": "application/x-protobuf" },
    body: { itemId: "A-17", howMany: "5" },
  });
});
