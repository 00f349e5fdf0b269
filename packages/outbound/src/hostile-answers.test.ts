import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Socket } from "node:net";
import {
  brotliCompressSync,
  constants,
  createZstdCompress,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";

import { afterEach, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import {
  ConnectionFailedError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "./errors.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { type CallScope } from "./scope.ts";
import { createOutbound } from "./outbound.ts";
import { startHttp, startTcp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const MIB = 1024 * 1024;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function http(listener: (request: IncomingMessage, response: ServerResponse) => void) {
  return kept(await startHttp(listener));
}
async function tcp(onRequest: (socket: Socket) => void) {
  const server = await startTcp((socket) => socket.once("data", () => onRequest(socket)));
  return kept(server);
}
function kept(server: LoopbackServer) {
  const outbound = createOutbound({ allow: parseAllowList(server.host) });
  closing.push(
    () => outbound.close(),
    () => server.close(),
  );
  const scope = createTestScope();
  return {
    server,
    scope,
    call: (options?: HttpRequestOptions, other?: Partial<CallScope>) =>
      outbound.http({ ...scope, ...other }).request(`${server.origin}/`, options),
  };
}
const head = (...lines: string[]) => `HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`;

describe("bodies that are too large", () => {
  it("are cut at 5 MiB and their connection is closed", async () => {
    const { call, server, scope } = await http((_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (response.write(Buffer.alloc(64 * 1024)));
      };
      response.on("drain", more);
      more();
    });
    const called = call();
    await expect(called).rejects.toThrow(ResponseTooLargeError);
    await expect(called).rejects.toMatchObject({ code: "upstream_error", retryable: false });
    await server.allClosed();
    expect(scope.calls).toMatchObject([{ status: 200, error_code: "upstream_error" }]);
    expect(scope.calls[0]?.bytes_received).toBeLessThan(8 * MIB);
  });

  it("are refused by their length before they are read", async () => {
    const { call, server } = await tcp((socket) =>
      socket.write(head(`content-length: ${6 * MIB}`)),
    );
    await expect(call()).rejects.toThrow(ResponseTooLargeError);
    await server.allClosed();
  });

  it("may be as large as the cap, and not a byte larger", async () => {
    const { call } = await http((_request, response) => response.end("x".repeat(1000)));
    await expect(call({ maxResponseBytes: 1000 })).resolves.toMatchObject({ status: 200 });
    await expect(call({ maxResponseBytes: 999 })).rejects.toThrow(ResponseTooLargeError);
    await expect(call({ method: "HEAD", maxResponseBytes: 1 })).resolves.toMatchObject({
      status: 200,
    });
  });

  it("cost no more memory when each byte is a chunk of its own", async () => {
    const { call } = await tcp((socket) => {
      socket.write(head("transfer-encoding: chunked"));
      const chunks = Buffer.from("1\r\na\r\n".repeat(10_000));
      const more = () => {
        while (!socket.destroyed && socket.write(chunks));
      };
      socket.on("drain", more);
      more();
    });
    const before = process.memoryUsage().rss;
    await expect(call({ maxResponseBytes: MIB })).rejects.toThrow(ResponseTooLargeError);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
  });
});

describe("bombs", () => {
  const zeros = Buffer.alloc(64 * MIB);
  const member = gzipSync(zeros);
  const bombs: Record<string, [coding: string, body: Buffer]> = {
    // 64 KiB for 64 MiB; repeated as members of one file it is 4 GiB.
    gzip: ["gzip", Buffer.concat(Array.from({ length: 64 }, () => member))],
    brotli: ["br", brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
    zstd: ["zstd", zstdCompressSync(zeros)],
    deflate: ["deflate", deflateSync(zeros)],
    "raw deflate": ["deflate", deflateRawSync(zeros)],
    "gzip in gzip": ["gzip, gzip", gzipSync(gzipSync(zeros))],
    "brotli in gzip": ["gzip, br", brotliCompressSync(gzipSync(zeros))],
  };

  it.each(Object.keys(bombs))("%s is cut while it unfolds", async (name) => {
    const [coding, body] = bombs[name] ?? ["", Buffer.of()];
    const { call } = await http((_request, response) => {
      response.writeHead(200, { "content-encoding": coding }).end(body);
    });
    const before = process.memoryUsage().rss;
    await expect(call()).rejects.toThrow(ResponseTooLargeError);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
  });

  it("zstd with a window beyond 8 MiB is refused, however small the body", async () => {
    const { call } = await http((_request, response) => {
      response.writeHead(200, { "content-encoding": "zstd" });
      const params = { [constants.ZSTD_c_windowLog]: 27 };
      const coded = createZstdCompress({ params });
      coded.pipe(response);
      // Only where the size is not known at the start is the window as large as was asked for.
      coded.write("a", () => coded.flush(() => coded.end("b")));
    });
    await expect(call()).rejects.toThrow("no valid zstd");
  });

  it("fifty codings are refused unread", async () => {
    const { call, server } = await http((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip, ".repeat(49) + "gzip" }).end("x");
    });
    await expect(call()).rejects.toThrow("50 content codings");
    await server.allClosed();
  });
});

describe("headers that are too large", () => {
  it.each([
    ["one of 1 MiB", `x: ${"a".repeat(MIB)}\r\n`],
    ["very many", "x: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(30_000)],
    ["an endless name", "a".repeat(MIB)],
  ])("%s", async (_name, headers) => {
    const { call, server } = await tcp((socket) => socket.write(`HTTP/1.1 200 OK\r\n${headers}`));
    await expect(call()).rejects.toThrow(ResponseTooLargeError);
    await server.allClosed();
  });
});

describe("slow answers end with the call's time", () => {
  const slowly = (socket: Socket, text: string, every = 20) => {
    const bytes = text[Symbol.iterator]();
    const timer = setInterval(() => {
      const next = bytes.next();
      if (!next.done) socket.write(next.value);
    }, every);
    socket.on("close", () => clearInterval(timer));
  };
  it.each([
    ["nothing at all", () => {}],
    ["headers by the byte", (socket: Socket) => slowly(socket, head("x: y".repeat(100)))],
    [
      "a body by the byte",
      (socket: Socket) => {
        socket.write(head("content-length: 1000"));
        slowly(socket, "x".repeat(1000));
      },
    ],
    [
      "interim answers only",
      (socket: Socket) => slowly(socket, "HTTP/1.1 103 Early\r\n\r\n".repeat(99), 2),
    ],
    [
      "an endless chunk extension",
      (socket: Socket) => {
        socket.write(`${head("transfer-encoding: chunked")}1;`);
        slowly(socket, "x".repeat(10_000), 2);
      },
    ],
  ])("%s", async (_name, serve) => {
    const { call, server, scope } = await tcp(serve);
    const started = performance.now();
    const called = call({ timeout: 300 });
    await expect(called).rejects.toThrow(TimeoutError);
    await expect(called).rejects.toMatchObject({ code: "timeout", retryable: true });
    expect(performance.now() - started).toBeLessThan(1300);
    await server.allClosed();
    expect(scope.calls).toMatchObject([{ error_code: "timeout" }]);
  });

  it("counts redirects into the same time", async () => {
    const { call } = await http((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: "/" }).end(), 120);
    });
    await expect(call({ timeout: "200ms" })).rejects.toThrow(TimeoutError);
  });
});

describe("broken answers", () => {
  it.each([
    ["a connection that is reset", (socket: Socket) => socket.resetAndDestroy()],
    ["a connection that is closed", (socket: Socket) => socket.end()],
    [
      "a body that is too short",
      (socket: Socket) => socket.end(`${head("content-length: 10")}abc`),
    ],
    [
      "a last chunk that is missing",
      (socket: Socket) => socket.end(`${head("transfer-encoding: chunked")}3\r\nabc\r\n`),
    ],
  ])("%s: connection_failed", async (_name, serve) => {
    const { call } = await tcp(serve);
    await expect(call()).rejects.toThrow(ConnectionFailedError);
    await expect(call()).rejects.toMatchObject({ retryable: true });
    await expect(call({ method: "POST", body: "x" })).rejects.toMatchObject({ retryable: false });
    await expect(call({ method: "PUT", body: "x" })).rejects.toMatchObject({ retryable: true });
    await expect(call({ method: "POST", idempotent: true })).rejects.toMatchObject({
      retryable: true,
    });
  });

  it.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.6\r\n"],

    ["a chunk that is no number", `${head("transfer-encoding: chunked")}xyz\r\n`],
    ["a NUL in a header", head("x: a\0b")],
    ["a header without a colon", head("nonsense")],
  ])("%s: upstream_error", async (_name, text) => {
    const { call } = await tcp((socket) => socket.write(text));
    const failed = call();
    await expect(failed).rejects.toThrow(UpstreamError);
    // The parser's error holds the bytes at fault.
    await expect(failed).rejects.not.toHaveProperty("cause");
  });

  it.each([
    [
      "an unasked upgrade",
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ],
    ["two lengths", head("content-length: 3", "content-length: 4") + "abc"],
    [
      "length and chunks",
      head("content-length: 3", "transfer-encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n",
    ],
    ["an unasked 100 Continue", "HTTP/1.1 100 Continue\r\n\r\n"],
  ])("%s fails", async (_name, text) => {
    const { call } = await tcp((socket) => socket.write(text));
    await expect(call()).rejects.toThrow(ConnectionFailedError);
  });

  it.each([
    ["gzip", "not gzip at all"],
    ["gzip", gzipSync("whole").subarray(0, 15)],
    ["br", "\xff\xff\xff"],
    ["zstd", "nope"],
    ["deflate", "\x08nope"],
  ])("broken %s fails", async (coding, body) => {
    const { call } = await http((_request, response) => {
      response.writeHead(200, { "content-encoding": coding }).end(body);
    });
    await expect(call()).rejects.toThrow(`no valid ${coding}`);
  });

  it("a second answer on a kept connection is nobody's", async () => {
    const { call } = await tcp((socket) => {
      socket.write(`${head("content-length: 5")}first${head("content-length: 6")}second`);
    });
    const texts: string[] = [];
    for (let i = 0; i < 3; i++) texts.push((await call()).text());
    expect(texts).toEqual(["first", "first", "first"]);
  });
});

describe("an abort closes the socket", () => {
  it.each([
    ["before the headers", () => {}],
    ["within the body", (socket: Socket) => socket.write(`${head("content-length: 10")}abc`)],
  ])("%s", async (_name, serve) => {
    const arrived = Promise.withResolvers<void>();
    const { call, server, scope } = await tcp((socket) => {
      serve(socket);
      arrived.resolve();
    });
    const controller = new AbortController();
    const called = call({}, { signal: controller.signal });
    await arrived.promise;
    const reason = new Error("canceled by the caller");
    const started = performance.now();
    controller.abort(reason);
    await expect(called).rejects.toBe(reason);
    await server.allClosed();
    expect(performance.now() - started).toBeLessThan(1000);
    expect(scope.calls).toMatchObject([{ error_code: "aborted" }]);
  });

  it("and one that came earlier opens none", async () => {
    const { call, server } = await http((_request, response) => response.end());
    await expect(call({}, { signal: AbortSignal.abort(new Error("gone")) })).rejects.toThrow(
      "gone",
    );
    expect(server.connections()).toBe(0);
  });
});
