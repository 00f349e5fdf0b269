import { type IncomingMessage, type ServerResponse } from "node:http";
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";

import { afterEach, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { ConnectionFailedError, OutboundRefusedError, UpstreamError } from "./errors.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { type CallScope } from "./scope.ts";
import { createOutbound } from "./outbound.ts";
import { startHttp, startTcp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

function reach(
  server: LoopbackServer,
  scopeFacts: Partial<CallScope> = {},
  allow: string = server.host,
) {
  const outbound = createOutbound({ allow: parseAllowList(allow) });
  closing.push(
    () => outbound.close(),
    () => server.close(),
  );
  const scope = createTestScope(scopeFacts);
  const client = outbound.http(scope);
  return {
    server,
    scope,
    outbound,
    call: (options?: HttpRequestOptions, path = "/") =>
      client.request(server.origin + path, options),
  };
}

async function answering(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  scope?: Partial<CallScope>,
) {
  return reach(await startHttp(listener), scope);
}

/** Answers with what came in. */
async function mirror(scope?: Partial<CallScope>) {
  const reached = await answering((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      response.end(
        JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }),
      );
    });
  }, scope);
  const call = async (options?: HttpRequestOptions, path?: string) =>
    (await reached.call(options, path)).json() as {
      method: string;
      url: string;
      headers: Record<string, string>;
      body: string;
    };
  return { ...reached, call };
}

describe("what is sent", () => {
  it("is what was asked for, and what every call carries", async () => {
    const { call, server } = await mirror();
    expect(await call({}, "/a%20b/ü?q=ä b#frag")).toEqual({
      method: "GET",
      url: "/a%20b/%C3%BC?q=%C3%A4%20b",
      headers: {
        host: server.host,
        connection: "keep-alive",
        accept: "*/*",
        "accept-encoding": "gzip, br, zstd, deflate",
        "user-agent": "tl-engine",
      },
      body: "",
    });
    expect(await call({ method: "post", json: { ä: [1, null] } })).toMatchObject({
      method: "POST",
      headers: { "content-type": "application/json", "content-length": "15" },
      body: '{"ä":[1,null]}',
    });
    expect(await call({ method: "PUT", body: "text" })).toMatchObject({
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: "text",
    });
    expect(await call({ method: "PATCH", body: new TextEncoder().encode("bytes") })).toMatchObject({
      headers: { "content-type": "application/octet-stream" },
      body: "bytes",
    });
    expect(await call({ method: "POST" })).toMatchObject({ headers: { "content-length": "0" } });
  });

  it("lets the caller's headers stand", async () => {
    const { call } = await mirror();
    const headers = {
      "User-Agent": "mine",
      ACCEPT: "text/html",
      "content-type": "application/vnd.x+json",
      "Idempotency-Key": "theirs",
      "X-Latin": "  é\u00ff ",
    };
    expect((await call({ method: "POST", json: 1, headers })).headers).toMatchObject({
      "user-agent": "mine",
      accept: "text/html",
      "content-type": "application/vnd.x+json",
      "idempotency-key": "theirs",
      "x-latin": "é\u00ff",
    });
  });

  it("is traced when the scope has a trace", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { call } = await mirror({ traceparent });
    expect((await call()).headers["traceparent"]).toBe(traceparent);
    const broken = await mirror({ traceparent: "00-x\r\ny: z" });
    expect((await broken.call()).headers["traceparent"]).toBeUndefined();
  });

  it("ignores proxies from the environment", async () => {
    const proxy = await startHttp((_request, response) => response.end("proxied"));
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "NODE_USE_ENV_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = proxy.origin;
    try {
      const { call } = await mirror();
      expect(await call()).toMatchObject({ method: "GET" });
      expect(proxy.connections()).toBe(0);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await proxy.close();
    }
  });
});

describe("injection", () => {
  it.each([
    ["a line break in a value", { "x-a": "1\r\nx-injected: 1" }],
    ["a bare line feed", { "x-a": "1\nx-injected: 1" }],
    ["a bare carriage return", { "x-a": "1\rx-injected: 1" }],
    ["a NUL", { "x-a": "1\0" }],
    ["another control character", { "x-a": "1\u0008" }],
    ["a character wider than a byte that ends in a line feed", { "x-a": "1\u010ax" }],
    ["an emoji", { "x-a": "😀" }],
    ["a line break in a name", { "x-a\r\nx-injected": "1" }],
    ["a space in a name", { "x a": "1" }],
    ["a colon in a name", { "x:a": "1" }],
    ["a name with a pseudo header's colon", { ":authority": "x" }],
    ["no name", { "": "1" }],
    ["a name that is not ASCII", { "x-ä": "1" }],
    ["__proto__", JSON.parse('{"__proto__":"1"}') as Record<string, string>],
    ["a value that is no string", { "x-a": ["1", "2"] as unknown as string }],
    ["Host", { Host: "evil.example" }],
    ["Content-Length", { "content-length": "0" }],
    ["Transfer-Encoding", { "Transfer-Encoding": "chunked" }],
    ["Connection", { connection: "x-api-key" }],
    ["Keep-Alive", { "keep-alive": "timeout=999" }],
    ["Upgrade", { upgrade: "websocket" }],
    ["TE", { te: "trailers" }],
    ["Trailer", { trailer: "x" }],
    ["Expect", { expect: "100-continue" }],
    ["Proxy-Connection", { "proxy-connection": "keep-alive" }],
    ["one header twice", { "X-A": "1", "x-a": "2" }],
    ["too many", Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, "1"]))],
    ["too much", { "x-a": "1".repeat(33_000) }],
  ])("%s is refused before anything is sent", async (_name, headers) => {
    const { call, server, scope } = await mirror();
    await expect(call({ headers })).rejects.toThrow(OutboundRefusedError);
    expect(server.connections()).toBe(0);
    expect(scope.calls).toMatchObject([{ error_code: "outbound_refused", host: "" }]);
  });

  it.each([
    "GET / HTTP/1.1\r\nx: y",
    "GE T",
    "",
    "CONNECT",
    "connect",
    "TRACE",
    "TRACK",
    "GÉT",
    "A".repeat(33),
  ])("the method %j is refused", async (method) => {
    const { call, server } = await mirror();
    await expect(call({ method })).rejects.toThrow(OutboundRefusedError);
    expect(server.connections()).toBe(0);
  });

  it("keys are held to the same rules, and steps are hashed where they do not fit", async () => {
    const { call } = await mirror();
    const idempotencyKey = "a\r\nx-injected: 1";
    await expect(call({ method: "POST", idempotencyKey })).rejects.toThrow(OutboundRefusedError);
    const { headers } = await call({ method: "POST", step: idempotencyKey });
    expect(headers["idempotency-key"]).toMatch(/^0199-execution\/[0-9a-f]{40}$/);
    expect(headers["x-injected"]).toBeUndefined();
  });

  it("a GET or HEAD has no body", async () => {
    const { call } = await mirror();
    await expect(call({ body: "x" })).rejects.toThrow(OutboundRefusedError);
    await expect(call({ method: "HEAD", json: 1 })).rejects.toThrow(OutboundRefusedError);
  });

  it("mistakes in an engine's code are named as such", async () => {
    const { call } = await mirror();
    await expect(call({ method: "POST", json: 1, body: "x" })).rejects.toThrow(TypeError);
    await expect(call({ method: "POST", json: () => {} })).rejects.toThrow(TypeError);
    for (const timeout of ["5 minutes", "", "-1s", 0, -1, Number.NaN]) {
      await expect(call({ timeout })).rejects.toThrow(RangeError);
    }
  });
});

describe("idempotency keys", () => {
  it("are the same in every attempt, and another for each step", async () => {
    const keys: (string | undefined)[][] = [];
    for (const attempt of [1, 2]) {
      const { call } = await mirror({ attempt, dispatch: attempt + 5 });
      const calls = [
        {},
        { step: "pay" },
        { method: "DELETE" },
        { method: "PUT" },
        { method: "GET" },
      ];
      const ofAttempt: (string | undefined)[] = [];
      for (const options of calls) {
        ofAttempt.push((await call({ method: "POST", ...options })).headers["idempotency-key"]);
      }
      keys.push(ofAttempt);
    }
    const id = "0199-execution";
    expect(keys[0]).toEqual([`${id}/1`, `${id}/pay`, `${id}/3`, `${id}/4`, undefined]);
    expect(keys[1]).toEqual(keys[0]);
  });

  it("can be given, for safe methods too", async () => {
    const { call, scope } = await mirror();
    expect((await call({ idempotencyKey: "mine" })).headers["idempotency-key"]).toBe("mine");
    expect(scope.calls).toMatchObject([{ idempotency_key: "mine" }]);
  });
});

describe("statuses", () => {
  const replying = async (status: number, headers: Record<string, string> = {}) =>
    answering((request, response) => {
      request.resume();
      response.writeHead(status, headers).end("why");
    });

  it.each([200, 201, 204, 299, 304])("%i is a success", async (status) => {
    const { call } = await replying(status);
    await expect(call()).resolves.toMatchObject({ status });
  });

  const get = { retryable: true };
  it.each([
    [400, false, false],
    [401, false, false],
    [403, false, false],
    [404, false, false],
    [409, false, false],
    [422, false, false],
    [408, true, true],
    [425, true, true],
    [429, true, true],
    [500, true, false],
    [501, false, false],
    [502, true, false],
    [503, true, false],
    [504, true, false],
    [505, false, false],
    [599, true, false],
  ])("%i: retryable for GET %s, for POST %s", async (status, forGet, forPost) => {
    // prettier-ignore
    const { call, scope } = await replying(status);
    const failed = call();
    await expect(failed).rejects.toThrow(UpstreamError);
    await expect(failed).rejects.toMatchObject({
      ...get,
      code: "upstream_error",
      retryable: forGet,
      status,
      details: { status },
    });
    await expect(call({ method: "POST" })).rejects.toMatchObject({ retryable: forPost });
    await expect(call({ method: "PATCH" })).rejects.toMatchObject({ retryable: forPost });
    await expect(call({ method: "DELETE" })).rejects.toMatchObject({ retryable: forGet });
    await expect(call({ method: "POST", idempotent: true })).rejects.toMatchObject({
      retryable: forGet,
    });
    expect(scope.calls[0]).toMatchObject({ status, error_code: null });
  });

  it("brings the answer along, but not into logs", async () => {
    const { call } = await replying(400);
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UpstreamError);
    expect((error as UpstreamError).response?.text()).toBe("why");
    expect(JSON.stringify({ ...(error as object) })).not.toContain("why");
    expect((error as Error).message).toMatch(/^GET http:.* answered 400$/);
  });

  it("honours Retry-After", async () => {
    const { call } = await replying(503, { "retry-after": "7" });
    await expect(call()).rejects.toMatchObject({ retryAfterMs: 7000 });
    const { call: plain } = await replying(503);
    await expect(plain()).rejects.not.toHaveProperty("retryAfterMs");
  });

  it("accepts what it is told to", async () => {
    const { call } = await replying(404);
    await expect(call({ acceptStatus: "any" })).resolves.toMatchObject({ status: 404 });
    await expect(call({ acceptStatus: [200, 404] })).resolves.toMatchObject({ status: 404 });
    await expect(call({ acceptStatus: ["4xx"] })).resolves.toMatchObject({ status: 404 });
    await expect(call({ acceptStatus: (status) => status < 500 })).resolves.toMatchObject({
      status: 404,
    });
    await expect(call({ acceptStatus: [405, "2xx"] })).rejects.toThrow(UpstreamError);
    const ok = await replying(200);
    await expect(ok.call({ acceptStatus: [404] })).rejects.toMatchObject({ retryable: false });
  });

  it("says the status also when the body of the error is unreadable", async () => {
    const { call } = await replying(503, { "content-encoding": "gzip", "retry-after": "3" });
    await expect(call()).rejects.toMatchObject({
      status: 503,
      retryAfterMs: 3000,
      retryable: true,
    });
    const large = await replying(404);
    await expect(large.call({ maxResponseBytes: 1 })).rejects.toMatchObject({ status: 404 });
  });
});

describe("what was acted on", () => {
  it("is not retried when a later hop fails", async () => {
    const { call } = await answering((request, response) => {
      request.resume();
      if (request.url === "/") response.writeHead(303, { location: "/later" }).end();
      else if (request.headers["user-agent"] === "429") response.writeHead(429).end();
      else response.destroy();
    });
    await expect(call()).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    const post = { method: "POST", json: {} };
    await expect(call(post)).rejects.toMatchObject({ code: "connection_failed", retryable: false });
    const limited = call({ ...post, headers: { "user-agent": "429" } });
    await expect(limited).rejects.toMatchObject({ status: 429, retryable: false });
    await expect(call({ ...post, idempotent: true })).rejects.toMatchObject({ retryable: true });
  });

  it("is not retried when a later hop can't be reached", async () => {
    const gone = await startHttp(() => {});
    await gone.close();
    const server = await startHttp((request, response) => {
      request.resume();
      response.writeHead(303, { location: `${gone.origin}/` }).end();
    });
    const { call } = reach(server, {}, `${server.host},${gone.host}`);
    await expect(call()).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    const posted = call({ method: "POST" });
    await expect(posted).rejects.toMatchObject({ code: "connection_failed", retryable: false });
  });

  it("is nothing when there was no connection", async () => {
    const { call, server } = await mirror();
    await server.close();
    closing.splice(1);
    for (const method of ["GET", "POST", "PATCH"]) {
      const failed = call({ method });
      await expect(failed).rejects.toThrow(ConnectionFailedError);
      await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    }
  });
});

describe("answers", () => {
  const codings = {
    gzip: gzipSync("größe"),
    "x-gzip": gzipSync("größe"),
    br: brotliCompressSync("größe"),
    zstd: zstdCompressSync("größe"),
    deflate: deflateSync("größe"),
    "DEFLATE ": deflateRawSync("größe"),
    "gzip, br": brotliCompressSync(gzipSync("größe")),
    "identity, gzip": gzipSync("größe"),
    identity: Buffer.from("größe"),
    "some-thing": Buffer.from("größe"),
  };
  it.each(Object.entries(codings))("coded %s are read", async (coding, body) => {
    const { call } = await answering((_request, response) => {
      response.writeHead(200, { "content-encoding": coding }).end(body);
    });
    expect((await call()).text()).toBe("größe");
  });

  it("without a body may claim a coding", async () => {
    const { call } = await answering((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end();
    });
    expect((await call({ method: "HEAD" })).bytes).toHaveLength(0);
    expect((await call()).bytes).toHaveLength(0);
  });

  it("are decoded by their charset", async () => {
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]);
    const typed = (type: string, bytes: Buffer) =>
      answering((_request, response) =>
        response.writeHead(200, { "content-type": type }).end(bytes),
      );
    expect((await (await typed("application/json", body)).call()).json()).toEqual({});
    const latin = Buffer.from([0xe9]);
    expect((await (await typed("text/plain; charset=ISO-8859-1", latin)).call()).text()).toBe("é");
    expect((await (await typed('text/plain; charset="latin1"', latin)).call()).text()).toBe("é");
    expect((await (await typed("text/plain; charset=nonsense", latin)).call()).text()).toBe(
      "\ufffd",
    );
  });

  it("that are not JSON are an error that quotes nothing", async () => {
    const { call } = await answering((_request, response) => response.end("<s3cret>"));
    const answer = await call();
    expect(() => answer.json()).toThrow(UpstreamError);
    expect(() => answer.json()).toThrow(/^(?!.*s3cret)/);
    expect(() => answer.json()).toThrow(expect.not.objectContaining({ cause: expect.anything() }));
  });

  it("have plain headers", async () => {
    const { call } = await answering((_request, response) => {
      response
        .writeHead(
          200,
          [
            ["X-A", "1"],
            ["x-a", "2"],
            ["Set-Cookie", "a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            ["Set-Cookie", "b=2"],
            ["__proto__", "x"],
          ].flat(),
        )
        .end();
    });
    const { headers } = await call();
    expect(headers["x-a"]).toBe("1, 2");
    expect(headers["set-cookie"]).toBe("a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT\nb=2");
    expect(Object.hasOwn(headers, "__proto__")).toBe(false);
  });
});

describe("connections", () => {
  it("are kept for the next call", async () => {
    const { call, server } = await mirror();
    for (const method of ["GET", "POST", "GET", "PUT"]) await call({ method });
    expect(server.connections()).toBe(1);
    await Promise.all([call(), call(), call()]);
    expect(server.connections()).toBe(3);
  });

  it("that the other side closed are replaced, with nothing sent twice", async () => {
    let requests = 0;
    const server = await startTcp((socket) => {
      socket.on("data", () => {
        requests++;
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      });
    });
    const { call } = reach(server);
    for (let i = 0; i < 5; i++) {
      expect((await call({ method: "POST" })).text()).toBe("ok");
      await server.allClosed();
    }
    expect(requests).toBe(5);
    expect(server.connections()).toBe(5);
  });

  it("are all closed with the door, those in use too", async () => {
    const arrived = Promise.withResolvers<void>();
    const { call, server, outbound } = await answering((request, response) => {
      if (request.url === "/hang") arrived.resolve();
      else response.end();
    });
    await Promise.all([call(), call()]);
    const hanging = call({}, "/hang");
    await arrived.promise;
    await outbound.close();
    await expect(hanging).rejects.toThrow(ConnectionFailedError);
    await server.allClosed();
  });
});

describe("the log", () => {
  it("tells what was sent, and no secret", async () => {
    const { call, scope, server } = await mirror();
    await call(
      { method: "POST", json: { password: "s3cret" }, headers: { authorization: "s3cret" } },
      "/path?token=s3cret",
    );
    expect(scope.calls).toMatchObject([
      {
        execution_id: "0199-execution",
        attempt: 2,
        dispatch: 7,
        step: "1",
        connection: null,
        protocol: "http",
        method: "POST",
        host: server.host,
        path: "/path",
        status: 200,
        error_code: null,
        started_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        duration_ms: expect.any(Number),
        bytes_sent: expect.any(Number),
        bytes_received: expect.any(Number),
        try: 1,
        idempotency_key: "0199-execution/1",
      },
    ]);
    expect(scope.calls[0]?.bytes_sent).toBeGreaterThan(200);
    expect(scope.calls[0]?.bytes_received).toBeGreaterThan(200);
    expect(JSON.stringify(scope.calls)).not.toContain("s3cret");
  });

  it("takes an engine's step in words that can be kept", async () => {
    const { call, scope } = await mirror();
    await call({ step: `a\0b\ud800${"c".repeat(200)}` });
    expect(scope.calls[0]?.step).toBe(`a\ufffdb\ufffd${"c".repeat(96)}`);
  });

  it("that fails does not fail the call", async () => {
    const record = () => {
      throw new Error("full");
    };
    const { call } = await mirror({ callLog: { record } });
    await expect(call()).resolves.toMatchObject({ method: "GET" });
  });
});
