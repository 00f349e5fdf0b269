import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, type Socket } from "node:net";

import { afterEach, describe, expect, it, test } from "vitest";
import { WebSocketServer, type ServerOptions, type WebSocket } from "ws";

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
import { createTestScope } from "../test-support/test-scope.ts";
import { type WebSocketExchangeOptions } from "./websocket-client.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client, and a server that does with each connection what it is told. */
async function serving(
  serve: (socket: WebSocket, request: IncomingMessage) => void,
  {
    server: options = {},
    scope: facts = {},
  }: { server?: ServerOptions; scope?: Partial<CallScope> } = {},
) {
  const http = createServer();
  const server = new WebSocketServer({ server: http, ...options });
  server.on("connection", serve);
  const host = await listen(http);
  const outbound = createOutbound({ allow: parseAllowList(host) });
  closers.push(() => outbound.close());
  const scope = createTestScope(facts);
  const client = outbound.websocket(scope);
  return {
    host,
    scope,
    http,
    exchange: (o?: WebSocketExchangeOptions, path = "/feed?token=s3cret") =>
      client.exchange(`ws://${host}${path}`, o),
  };
}

const echo = (socket: WebSocket) =>
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));

describe("an exchange", () => {
  it("sends in order and ends with the count", async () => {
    const { exchange, scope, host } = await serving(echo);
    const bytes = new Uint8Array([0, 255, 7]);
    const answer = await exchange({ send: ["one", bytes, "three"], count: 3, step: "ask" });
    expect(answer).toMatchObject({ endedBy: "count", close: null, subprotocol: null });
    expect(answer.messages.map(({ type, data }) => [type, data])).toEqual([
      ["text", "one"],
      ["binary", bytes],
      ["text", "three"],
    ]);
    expect(scope.calls).toMatchObject([
      { protocol: "websocket", host, path: "/feed", step: "ask", status: 1000, error_code: null },
    ]);
    expect(JSON.stringify(scope.calls)).not.toContain("s3cret");
    expect(scope.calls[0]?.bytes_sent).toBeGreaterThan(100);
    expect(scope.calls[0]?.bytes_received).toBeGreaterThan(100);
  });

  it("gives headers and subprotocols, and says what was chosen", async () => {
    let seen: IncomingMessage["headers"] = {};
    const { exchange } = await serving(
      (socket, request) => {
        seen = request.headers;
        socket.send("hello");
      },
      { server: { handleProtocols: () => "v2.chat" } },
    );
    const answer = await exchange({
      headers: { "X-Room": "blue" },
      subprotocols: ["v1.chat", "v2.chat"],
      count: 1,
    });
    expect(answer.subprotocol).toBe("v2.chat");
    expect(seen["x-room"]).toBe("blue");
    expect(seen["sec-websocket-protocol"]).toBe("v1.chat,v2.chat");
    expect(seen["sec-websocket-extensions"]).toBeUndefined();
  });

  it("ends with a match, with idleness, with the other side's close, at its deadline", async () => {
    const { exchange } = await serving((socket, request) => {
      socket.send("a");
      socket.send("b");
      socket.send("c");
      if (request.url === "/closing") socket.close(1000, "done");
    });
    const data = (answer: { messages: readonly { data: unknown }[] }) =>
      answer.messages.map((message) => message.data);
    const matched = await exchange({ match: (message) => message.data === "b" });
    expect([matched.endedBy, data(matched)]).toEqual(["match", ["a", "b"]]);
    const idle = await exchange({ idle: 100 });
    expect([idle.endedBy, data(idle)]).toEqual(["idle", ["a", "b", "c"]]);
    const closed = await exchange({}, "/closing");
    expect([closed.endedBy, data(closed)]).toEqual(["closed", ["a", "b", "c"]]);
    expect(closed.close).toEqual({ code: 1000, reason: "done" });
    const late = await exchange({ timeout: 200 });
    expect([late.endedBy, data(late)]).toEqual(["deadline", ["a", "b", "c"]]);
  });

  it("takes no more messages and bytes than it was told", async () => {
    const { exchange } = await serving((socket) => {
      for (let i = 0; i < 50; i++) socket.send("x".repeat(100));
    });
    expect((await exchange({ maxMessages: 5 })).messages).toHaveLength(5);
    const capped = await exchange({ maxBytes: 1_050 });
    expect([capped.endedBy, capped.messages.length]).toEqual(["cap", 10]);
  });

  it("closes politely, and the server hears it", async () => {
    const heard = Promise.withResolvers<number>();
    const { exchange } = await serving((socket) => {
      socket.on("close", (code) => heard.resolve(code));
      socket.send("x");
    });
    await exchange({ count: 1 });
    expect(await heard.promise).toBe(1000);
  });
});

describe("what goes wrong", () => {
  it.each([
    [1011, true],
    [1012, true],
    [1013, true],
    [1008, false],
    [4001, false],
  ])("a close with %i is an upstream error", async (code, retryable) => {
    const { exchange } = await serving((socket) => socket.close(code, "secret reason"));
    const error = await exchange({ count: 1 }).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ retryable, status: code });
    expect(String(error)).not.toContain("secret");
  });

  it("is not tried again once something was sent, unless it was said to be harmless", async () => {
    const { exchange } = await serving((socket) => {
      socket.on("message", () => socket.close(1011));
    });
    await expect(exchange({ send: ["pay"] })).rejects.toMatchObject({ retryable: false });
    await expect(exchange({ send: ["ask"], idempotent: true })).rejects.toMatchObject({
      retryable: true,
    });
  });

  it("a broken connection", async () => {
    const { exchange } = await serving((socket) => socket.terminate());
    await expect(exchange({ count: 1 })).rejects.toThrow(ConnectionFailedError);
  });

  it("a message over 1 MiB is cut off", async () => {
    const { exchange, scope } = await serving((socket) => socket.send("x".repeat(1024 * 1024 + 1)));
    await expect(exchange({ count: 1 })).rejects.toThrow(ResponseTooLargeError);
    expect(scope.calls[0]?.bytes_received).toBeLessThan(400_000);
  });

  it("fragments without end are cut off", async () => {
    const { exchange } = await serving((socket) => {
      const more = () => {
        if (socket.readyState === 1) socket.send("x".repeat(65_536), { fin: false }, next);
      };
      const next = () => setImmediate(more);
      more();
    });
    await expect(exchange({ count: 1 })).rejects.toThrow(ResponseTooLargeError);
  });

  it("a server that presses compression on us is refused", async () => {
    const http = createServer();
    http.on("upgrade", (request, socket: Socket) => {
      void import("node:crypto").then(({ createHash }) => {
        const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
        const accept = createHash("sha1").update(key).digest("base64");
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
        );
      });
    });
    const host = await listen(http);
    const outbound = createOutbound({ allow: parseAllowList(host) });
    closers.push(() => outbound.close());
    const client = outbound.websocket(createTestScope());
    await expect(client.exchange(`ws://${host}/`, { count: 1 })).rejects.toMatchObject({
      code: "upstream_error",
      retryable: false,
    });
  });

  it.each([
    [503, true],
    [429, true],
    [401, false],
    [302, false],
  ])("a handshake answered with %i", async (status, retryable) => {
    const http = createServer((_request, response) => {
      response.writeHead(status, { location: "http://127.0.0.1:1/", "retry-after": "7" }).end();
    });
    const host = await listen(http);
    const outbound = createOutbound({ allow: parseAllowList(host) });
    closers.push(() => outbound.close());
    const scope = createTestScope();
    const client = outbound.websocket(scope);
    await expect(client.exchange(`ws://${host}/`)).rejects.toMatchObject({
      code: "upstream_error",
      status,
      retryable,
      retryAfterMs: 7_000,
    });
    expect(scope.calls).toMatchObject([{ status, error_code: "upstream_error" }]);
  });

  it("a server that never answers the handshake, and one that leaves pings unanswered", async () => {
    const silent = createServer();
    silent.on("upgrade", () => undefined);
    const host = await listen(silent);
    const outbound = createOutbound({ allow: parseAllowList(host) });
    closers.push(() => outbound.close());
    const client = outbound.websocket(createTestScope());
    await expect(client.exchange(`ws://${host}/`, { timeout: 100 })).rejects.toThrow(TimeoutError);

    const { exchange } = await serving(() => undefined, { server: { autoPong: false } });
    await expect(exchange({ pingEvery: 50 })).rejects.toThrow(/no answer to a ping/);
  });

  it("an abort closes the socket, and its reason comes out", async () => {
    const open = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const controller = new AbortController();
    const { exchange, scope } = await serving(
      (socket) => {
        socket.on("close", () => gone.resolve());
        open.resolve();
      },
      { scope: { signal: controller.signal } },
    );
    const ended = exchange({ count: 1 });
    await open.promise;
    const reason = new Error("canceled");
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    await gone.promise;
    expect(scope.calls).toMatchObject([{ error_code: "aborted" }]);
  });
});

describe("what is refused", () => {
  test.each([
    "ws://127.0.0.1:9/",
    "ws://localhost:9/",
    "wss://169.254.169.254/",
    "ws://[::1]:9/",
    "ws://2130706433:9/",
    "http://127.0.0.1:9/",
    "ws+unix:///tmp/x",
    "ws://user:pass@example.com/",
    "ws://exa\nmple.com/",
  ])("%s", async (url) => {
    const outbound = createOutbound({ allow: parseAllowList("") });
    closers.push(() => outbound.close());
    const client = outbound.websocket(createTestScope());
    await expect(client.exchange(url)).rejects.toThrow(OutboundRefusedError);
  });

  test("headers and subprotocols that would not arrive as they are meant", async () => {
    const { exchange, http } = await serving(() => undefined);
    let connections = 0;
    http.on("connection", () => connections++);
    await expect(exchange({ headers: { "x-a": "b\r\nx-c: d" } })).rejects.toThrow(
      OutboundRefusedError,
    );
    await expect(exchange({ headers: { upgrade: "h2c" } })).rejects.toThrow(OutboundRefusedError);
    await expect(exchange({ subprotocols: ["a b"] })).rejects.toThrow(OutboundRefusedError);
    await expect(exchange({ subprotocols: ["a", "a"] })).rejects.toThrow(OutboundRefusedError);
    await expect(exchange({ send: ["x".repeat(1024 * 1024 + 1)] })).rejects.toThrow(
      OutboundRefusedError,
    );
    expect(connections).toBe(0);
  });
});
