import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo } from "node:net";

import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  status,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { filesOf } from "@tl-engine/protobuf";
import { afterEach, describe, expect, it, test } from "vitest";

import { parseAllowList } from "../allow-list.ts";
import {
  ConnectionFailedError,
  OutboundRefusedError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "../errors.ts";
import { createOutbound } from "../outbound.ts";
import { type CallScope } from "../scope.ts";
import { protoFiles, startGrpc } from "../test-support/grpc-server.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTestScope } from "../test-support/test-scope.ts";
import { type GrpcCallOptions, type GrpcSchema } from "./grpc-client.ts";
import { GrpcMessageError } from "./grpc-errors.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Call = ServerUnaryCall<Record<string, unknown>, unknown>;
type Answer = sendUnaryData<unknown>;

async function reach(host: string, facts: Partial<CallScope> = {}) {
  const outbound = createOutbound({ allow: parseAllowList(host) });
  closers.push(() => outbound.close());
  const scope = createTestScope(facts);
  const client = outbound.grpc(scope);
  return {
    host,
    scope,
    outbound,
    call: (method: string, message?: unknown, options?: GrpcCallOptions) =>
      client.call(`shop.v1.Inventory/${method}`, message, { target: `grpc://${host}`, ...options }),
  };
}

async function serving(
  inventory: UntypedServiceImplementation,
  options: { reflection?: boolean; scope?: Partial<CallScope> } = {},
) {
  const server = await startGrpc(inventory, options);
  closers.push(() => server.close());
  return reach(server.host, options.scope);
}

const item = {
  itemId: "A-17",
  inStock: "9007199254740993",
  seenAt: { seconds: "1700000000", nanos: 5_000_000 },
  price: { currencyCode: "EUR", units: "12" },
  picture: Buffer.from([1, 2, 255]),
  colour: 1,
};
const itemJson = {
  itemId: "A-17",
  inStock: "9007199254740993",
  seenAt: "2023-11-14T22:13:20.005Z",
  price: { currencyCode: "EUR", units: "12" },
  picture: "AQL/",
  colour: "COLOUR_BLUE",
};

const file = await filesOf({ from: "proto", files: protoFiles });
const descriptorSet = (): Uint8Array =>
  toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));

describe("a unary call", () => {
  const schemas: [string, () => GrpcSchema][] = [
    ["the server's reflection", () => ({ from: "reflection" })],
    ["a descriptor set", () => ({ from: "descriptor_set", bytes: descriptorSet() })],
    [".proto files", () => ({ from: "proto", files: protoFiles })],
  ];
  it.each(schemas)("is JSON in and JSON out by %s", async (_name, schema) => {
    const asked: unknown[] = [];
    const { call, scope, host } = await serving({
      GetItem: (server: Call, answer: Answer) => {
        asked.push(server.request, server.metadata.get("x-room"), server.metadata.get("key-bin"));
        const trailers = new Metadata();
        trailers.set("x-shard", "3");
        answer(null, item, trailers);
      },
    });
    const answer = await call(
      "GetItem",
      { itemId: "A-17", howMany: "5", nested: { deeper: { colour: "COLOUR_BLUE" } } },
      { schema: schema(), metadata: { "X-Room": "blue", "key-bin": "AQL/" }, step: "look" },
    );
    expect(answer).toMatchObject({ messages: [itemJson], streaming: false, endedBy: "status" });
    expect(answer.trailers["x-shard"]).toBe("3");
    expect(asked).toMatchObject([
      { itemId: "A-17", howMany: "5", nested: { deeper: { colour: 1 } } },
      ["blue"],
      [Buffer.from([1, 2, 255])],
    ]);
    expect(scope.calls).toMatchObject([
      {
        protocol: "grpc",
        method: "POST",
        host,
        path: "/shop.v1.Inventory/GetItem",
        status: 0,
        error_code: null,
        step: "look",
        idempotency_key: "0199-execution/look",
      },
    ]);
  });

  it("carries the idempotency key, the trace, and a deadline that is never later than the attempt's", async () => {
    const seen: Record<string, unknown>[] = [];
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { call } = await serving(
      {
        GetItem: (server: Call, answer: Answer) => {
          seen.push({ ...server.metadata.getMap(), deadline: server.getDeadline() });
          answer(null, item);
        },
      },
      { scope: { traceparent, remainingMs: () => 5_000 } },
    );
    const before = Date.now();
    await call("GetItem", {}, { timeout: "60s", step: "pay" });
    expect(seen[0]).toMatchObject({ "idempotency-key": "0199-execution/pay", traceparent });
    const deadline = seen[0]?.["deadline"];
    expect(Number(deadline) - before).toBeLessThan(30_000);
  });

  it("uses one session for many calls", async () => {
    const peers = new Set<string>();
    const { call } = await serving({
      GetItem: (server: Call, answer: Answer) => {
        peers.add(server.getPeer());
        answer(null, item);
      },
    });
    const schema: GrpcSchema = { from: "proto", files: protoFiles };
    await Promise.all(Array.from({ length: 20 }, () => call("GetItem", {}, { schema })));
    await call("GetItem", {}, { schema });
    expect(peers.size).toBe(1);
  });
});

describe("a server stream", () => {
  it("is collected, up to its cap, and then told to stop", async () => {
    const stopped = Promise.withResolvers<void>();
    const { call } = await serving({
      WatchItem: (stream: ServerWritableStream<{ howMany: string }, unknown>) => {
        stream.on("cancelled", () => stopped.resolve());
        const many = Number(stream.request.howMany);
        for (let i = 0; i < many; i++) stream.write({ itemId: String(i) });
        if (many < 100) stream.end();
      },
    });
    const whole = await call("WatchItem", { howMany: "3" });
    expect(whole).toMatchObject({ streaming: true, endedBy: "status" });
    expect(whole.messages.map((message) => (message as { itemId: string }).itemId)).toEqual([
      "0",
      "1",
      "2",
    ]);
    const capped = await call("WatchItem", { howMany: "100" }, { maxMessages: 7 });
    expect([capped.endedBy, capped.messages.length]).toEqual(["cap", 7]);
    await stopped.promise;
  });
});

describe("a status", () => {
  const failing = (code: status, trailers: Record<string, string> = {}) => {
    const answer = (_call: Call, done: Answer) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
      done({ code, details: "secret details", metadata });
    };
    return serving({ GetItem: answer, ReadItem: answer });
  };

  it.each([
    [status.UNAVAILABLE, true],
    [status.RESOURCE_EXHAUSTED, true],
    [status.ABORTED, true],
    [status.INTERNAL, false],
    [status.UNKNOWN, false],
    [status.INVALID_ARGUMENT, false],
    [status.NOT_FOUND, false],
    [status.PERMISSION_DENIED, false],
    [status.UNAUTHENTICATED, false],
    [status.UNIMPLEMENTED, false],
    [status.FAILED_PRECONDITION, false],
  ])("%i is an upstream error, retryable: %s", async (code, retryable) => {
    const { call, scope } = await failing(code);
    const error: unknown = await call("GetItem", {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ code: "upstream_error", status: code, retryable });
    expect(String(error)).not.toContain("secret");
    expect(scope.calls).toMatchObject([{ status: code, error_code: "upstream_error" }]);
  });

  it("of a method without side effects, or of one said to be harmless, may come again", async () => {
    const { call } = await failing(status.INTERNAL);
    await expect(call("ReadItem", {})).rejects.toMatchObject({ retryable: true });
    await expect(call("GetItem", {}, { idempotent: true })).rejects.toMatchObject({
      retryable: true,
    });
  });

  it("may say when to come again", async () => {
    const pushed = await failing(status.UNAVAILABLE, { "grpc-retry-pushback-ms": "1500" });
    await expect(pushed.call("GetItem", {})).rejects.toMatchObject({ retryAfterMs: 1_500 });
    // google.rpc.Status { details: [Any { RetryInfo { retry_delay: 7 s } }] }
    const duration = [0x08, 7];
    const info = [0x0a, duration.length, ...duration];
    const type = [...Buffer.from("type.googleapis.com/google.rpc.RetryInfo")];
    const any = [0x0a, type.length, ...type, 0x12, info.length, ...info];
    const details = Buffer.from([0x08, 14, 0x1a, any.length, ...any]);
    const { call } = await serving({
      GetItem: (_call: Call, done: Answer) => {
        const metadata = new Metadata();
        metadata.set("grpc-status-details-bin", details);
        done({ code: status.UNAVAILABLE, metadata });
      },
    });
    await expect(call("GetItem", {})).rejects.toMatchObject({ retryAfterMs: 7_000 });
  });

  it("late is a timeout, and the server hears of it", async () => {
    const heard = Promise.withResolvers<void>();
    const { call } = await serving({
      GetItem: (server: Call) => server.on("cancelled", () => heard.resolve()),
    });
    const schema: GrpcSchema = { from: "proto", files: protoFiles };
    await expect(call("GetItem", {}, { schema, timeout: 200 })).rejects.toThrow(TimeoutError);
    await heard.promise;
  });

  it("an abort ends the call with its reason", async () => {
    const asked = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<void>();
    const controller = new AbortController();
    const { call, scope } = await serving(
      {
        GetItem: (server: Call) => {
          server.on("cancelled", () => heard.resolve());
          asked.resolve();
        },
      },
      { scope: { signal: controller.signal } },
    );
    const ended = call("GetItem", {});
    await asked.promise;
    const reason = new Error("canceled");
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    await heard.promise;
    expect(scope.calls).toMatchObject([{ error_code: "aborted" }]);
  });
});

describe("what does not fit", () => {
  it.each<[string, string, unknown, RegExp]>([
    ["an unknown field", "GetItem", { item: 1 }, /ItemRequest.*"item"/],
    ["a wrong type", "GetItem", { howMany: "many" }, /howMany/],
    ["an unknown method", "Missing", {}, /has no method Missing; it has GetItem/],
    ["a stream of requests", "Upload", {}, /streams requests/],
  ])("%s", async (_name, method, message, words) => {
    const { call } = await serving({});
    const error: unknown = await call(method, message).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GrpcMessageError);
    expect(error).toMatchObject({ code: "input_invalid", retryable: false });
    expect(String(error)).toMatch(words);
  });

  test("a service, a method's name, a descriptor set, a .proto", async () => {
    const { call, outbound, scope, host } = await serving({});
    const client = outbound.grpc(scope);
    const target = `grpc://${host}`;
    await expect(client.call("shop.v1.Nothing/Get", {}, { target })).rejects.toThrow(
      /does not know/,
    );
    await expect(client.call("GetItem", {}, { target })).rejects.toThrow(/package.Service\/Method/);
    const bytes = new Uint8Array([255, 255, 255]);
    await expect(
      call("GetItem", {}, { schema: { from: "descriptor_set", bytes } }),
    ).rejects.toThrow(/no FileDescriptorSet/);
    const files = { "a.proto": 'syntax = "proto3";\nmessage {' };
    await expect(call("GetItem", {}, { schema: { from: "proto", files } })).rejects.toThrow(
      /a\.proto: .*line 2/,
    );
    const missing = { "a.proto": 'syntax = "proto3"; import "b.proto";' };
    await expect(
      call("GetItem", {}, { schema: { from: "proto", files: missing } }),
    ).rejects.toThrow(/imports b\.proto/);
  });

  test("a server without reflection", async () => {
    const { call } = await serving({}, { reflection: false });
    await expect(call("GetItem", {})).rejects.toThrow(/has no reflection: give a descriptor set/);
  });

  test("metadata", async () => {
    const { call } = await serving({});
    for (const metadata of [
      { "grpc-timeout": "1H" },
      { te: "x" },
      { "x-a": "ü" },
      { "x-a": "b\r\nc: d" },
      { "x-bin": "not base64!" },
    ]) {
      await expect(call("GetItem", {}, { metadata })).rejects.toThrow(OutboundRefusedError);
    }
  });
});

describe("an answer that is hostile", () => {
  async function answering(respond: (stream: ServerHttp2Stream) => void) {
    const server = createServer();
    server.on("stream", (stream) => {
      stream.on("error", () => undefined);
      respond(stream);
    });
    server.on("session", (session) => closers.push(() => session.destroy()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    const { call } = await reach(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    return call(
      "GetItem",
      {},
      { schema: { from: "proto", files: protoFiles }, timeout: "20s" },
    ).then(
      () => null,
      (reason: unknown) => reason,
    );
  }

  const framed = (stream: ServerHttp2Stream, message: Uint8Array, length = message.length) => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc+proto" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length, 1);
    stream.end(Buffer.concat([head, message]));
  };
  /** Groups of field 31, which no schema knows, one within the other. */
  const nested = (depth: number) =>
    Uint8Array.from(Array.from({ length: depth }, () => [0xfb, 0x01]).flat());

  it.each<[string, Uint8Array]>([
    ["a wrong wire type", Uint8Array.from([0x0d, 1, 2, 3, 4])],
    ["a length beyond the buffer", Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0x7f])],
    ["groups 101 deep", nested(101)],
    ["an endless varint", Uint8Array.from(Array.from({ length: 30 }, () => 0xff))],
    ["a field number of 0", Uint8Array.from([0x00, 0x00])],
    ["text that is no UTF-8", Uint8Array.from([0x0a, 2, 0xc3, 0x28])],
  ])("%s is an error, not a crash", async (_name, message) => {
    const error = await answering((stream) => framed(stream, message));
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ retryable: false });
  });

  it("unknown fields are skipped", async () => {
    expect(
      await answering((stream) => framed(stream, Uint8Array.from([0xa0, 0x06, 1]))),
    ).toBeNull();
  });

  it("more than 4 MiB is cut", async () => {
    let sent = 0;
    const error = await answering((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(0xffffffff, 1);
      stream.write(head);
      const more = () => {
        if (stream.destroyed) return;
        sent += 65_536;
        stream.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
    });
    expect(error).toBeInstanceOf(ResponseTooLargeError);
    expect(sent).toBeLessThan(8 * 1024 * 1024);
  });

  it("compression that nobody asked for is refused", async () => {
    const error = await answering((stream) => {
      stream.respond({
        ":status": 200,
        "content-type": "application/grpc+proto",
        "grpc-encoding": "gzip",
      });
      stream.end(Buffer.from([1, 0, 0, 0, 1, 0]));
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ retryable: false });
  });

  it("a connection that breaks", async () => {
    const error = await answering((stream) => stream.session?.destroy());
    expect(error).toMatchObject({ code: "connection_failed", retryable: false });
  });

  it("what is no gRPC", async () => {
    const error = await answering((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.end("<html>");
    });
    expect(error).toBeInstanceOf(UpstreamError);
    expect(String(error)).toMatch(/no valid gRPC/);
  });

  it("a proxy that says 503 for it", async () => {
    const error = await answering((stream) => {
      stream.respond({ ":status": 503, "content-type": "text/html" });
      stream.end("<html>");
    });
    expect(error).toMatchObject({ code: "upstream_error", status: 14, retryable: true });
  });
});

describe("where it goes", () => {
  test.each([
    "grpc://127.0.0.1:9",
    "grpc://localhost:9",
    "grpcs://169.254.169.254:443",
    "grpc://[::1]:9",
    "http://127.0.0.1:9",
    "dns:///127.0.0.1:9",
    "unix:/tmp/x",
  ])("%s is refused", async (target) => {
    const outbound = createOutbound({ allow: parseAllowList("") });
    closers.push(() => outbound.close());
    const scope = createTestScope();
    const client = outbound.grpc(scope);
    await expect(client.call("a.B/C", {}, { target })).rejects.toThrow(OutboundRefusedError);
  });

  test("a port where nobody listens", async () => {
    const { call } = await reach("127.0.0.1:1");
    await expect(call("GetItem", {})).rejects.toThrow(ConnectionFailedError);
  });

  test("through a connection, with its credentials on the call and on the reflection", async () => {
    const seen: unknown[] = [];
    const server = await startGrpc({
      GetItem: (call: Call, answer: Answer) => {
        seen.push(call.metadata.get("authorization"), call.metadata.get("x-tenant"));
        answer(null, item);
      },
    });
    closers.push(() => server.close());
    let connection = testConnection({
      kind: "grpc",
      baseUrl: `grpc://${server.host}`,
      headers: { "x-tenant": "7" },
      auth: { type: "bearer", token: "t-1" },
    });
    const outbound = createOutbound({ allow: parseAllowList(server.host) });
    closers.push(() => outbound.close());
    const asked: unknown[] = [];
    const scope = createTestScope({
      connections: {
        async connection(id, kind) {
          asked.push([id, kind]);
          return connection;
        },
      },
    });
    const client = outbound.grpc(scope, "crm");
    await client.call("shop.v1.Inventory/GetItem", {});
    expect(asked).toEqual([["crm", "grpc"]]);
    expect(seen.splice(0)).toEqual([["Bearer t-1"], ["7"]]);
    connection = { ...connection, revision: 2, headers: { "x-tenant": "8" } };
    await client.call("shop.v1.Inventory/GetItem", {});
    expect(seen).toEqual([["Bearer t-1"], ["8"]]);
    expect(scope.calls[0]).toMatchObject({ connection: "crm", breaker_state: "closed" });
    await expect(
      client.call("shop.v1.Inventory/GetItem", {}, { target: "grpc://example.com" }),
    ).rejects.toThrow(/says where its calls go/);
  });
});
