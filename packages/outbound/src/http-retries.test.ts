import { type IncomingMessage, type ServerResponse } from "node:http";

import { afterEach, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { ParkedError, UpstreamError } from "./errors.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { createOutbound } from "./outbound.ts";
import { type Connection, type RetryPolicy } from "./ports.ts";
import { type CallScope } from "./scope.ts";
import { startHttp, startTcp } from "./test-support/loopback-server.ts";
import { reachConnection } from "./test-support/reach-connection.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const QUICK: RetryPolicy = { maxRetries: 2, initialMs: 1, maxMs: 2, maxRetryAfterMs: 60_000 };

/** A connection whose server answers by the number of the request, from 1. */
async function numbered(
  answer: (n: number, response: ServerResponse, request: IncomingMessage) => void,
  facts: Partial<Connection> = {},
  scope: Partial<CallScope> = {},
) {
  const seen: { method: string; key: string | undefined; trace: string | undefined }[] = [];
  const server = await startHttp((request, response) => {
    request.resume();
    const { method = "", headers } = request;
    const key = headers["idempotency-key"];
    const trace = headers["traceparent"];
    seen.push({ method, key: key?.toString(), trace: trace?.toString() });
    answer(seen.length, response, request);
  });
  const reached = reachConnection(server, { retry: QUICK, ...facts }, scope);
  closing.push(
    () => reached.outbound.close(),
    () => server.close(),
  );
  const call = (options: HttpRequestOptions = {}) => reached.client.request("/x", options);
  return { ...reached, server, seen, call };
}
const always =
  (status: number, headers: Record<string, string> = {}) =>
  (_n: number, response: ServerResponse) =>
    void response.writeHead(status, headers).end();
const reset = (_n: number, _response: ServerResponse, request: IncomingMessage) =>
  void request.socket.resetAndDestroy();

describe("within an attempt", () => {
  it.each([
    ["GET", 503, 3],
    ["GET", 500, 3],
    ["GET", 429, 3],
    ["GET", 408, 3],
    ["PUT", 502, 3],
    ["DELETE", 503, 3],
    ["GET", 501, 1],
    ["GET", 404, 1],
    ["GET", 400, 1],
    ["GET", 409, 1],
    ["POST", 503, 1],
    ["POST", 429, 1],
    ["PATCH", 500, 1],
  ])("a %s that is answered %i is sent %i times", async (method, status, times) => {
    const { call, seen, scope, admission } = await numbered(always(status));
    await expect(call({ method })).rejects.toMatchObject({ status });
    expect(seen).toHaveLength(times);
    expect(scope.calls.map((row) => row.try)).toEqual([1, 2, 3].slice(0, times));
    expect(admission.entered()).toBe(times);
    expect(admission.inside()).toBe(0);
  });

  it.each([
    ["GET", {}, 3],
    ["POST", {}, 1],
    ["POST", { idempotent: true }, 3],
    ["PATCH", { idempotent: true }, 3],
    ["GET", { idempotent: false }, 1],
  ])("a %s %j whose connection breaks is sent %i times", async (method, options, times) => {
    const { call, seen } = await numbered(reset);
    await expect(call({ method, ...options })).rejects.toMatchObject({ code: "connection_failed" });
    expect(seen).toHaveLength(times);
  });

  it("a POST with no connection is tried again: nothing of it was sent", async () => {
    const gone = await startHttp(() => {});
    await gone.close();
    const { client, admission, scope, outbound } = reachConnection(gone, { retry: QUICK });
    closing.push(() => outbound.close());
    await expect(client.request("/x", { method: "POST" })).rejects.toMatchObject({
      code: "connection_failed",
      retryable: true,
    });
    expect(admission.left).toEqual(["failure", "failure", "failure"]);
    expect(scope.calls.map((row) => row.try)).toEqual([1, 2, 3]);
  });

  it("ends with the first success, and shows nothing of what was before", async () => {
    const { call, scope, admission } = await numbered((n, response) => {
      response.writeHead(n < 3 ? 503 : 200).end("ok");
    });
    expect((await call()).text()).toBe("ok");
    expect(scope.calls).toMatchObject([
      { try: 1, status: 503, error_code: null },
      { try: 2, status: 503 },
      { try: 3, status: 200 },
    ]);
    expect(admission.left).toEqual(["failure", "failure", "success"]);
  });

  it("a try that takes too long is one of them", async () => {
    const timeouts = { connectMs: 5000, firstByteMs: 5000, totalMs: 100 };
    const answer = (n: number, response: ServerResponse) => void (n > 1 && response.end("ok"));
    const { call, seen } = await numbered(answer, { timeouts });
    expect((await call()).text()).toBe("ok");
    expect(seen).toHaveLength(2);
  });

  it("no retries are made where the policy has none, nor to plain addresses", async () => {
    const none = await numbered(always(503), { retry: { ...QUICK, maxRetries: 0 } });
    await expect(none.call()).rejects.toThrow(UpstreamError);
    expect(none.seen).toHaveLength(1);
    const { server, seen, outbound } = await numbered(always(503));
    const plain = outbound.http(createTestScope()).request(server.origin);
    await expect(plain).rejects.toThrow(UpstreamError);
    expect(seen).toHaveLength(1);
  });

  it("every try has the same key and trace, as every attempt has", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const keys = new Set<string | undefined>();
    for (const attempt of [1, 2]) {
      const { call, seen } = await numbered(always(503), {}, { attempt, traceparent });
      await expect(call({ method: "PUT", step: "pay" })).rejects.toThrow(UpstreamError);
      for (const { key, trace } of seen) {
        keys.add(key);
        expect(trace).toBe(traceparent);
      }
      expect(seen).toHaveLength(3);
    }
    expect([...keys]).toEqual(["0199-execution/pay"]);
  });

  it("there are never more calls than attempts times tries, whatever goes wrong", async () => {
    let requests = 0;
    const wrongs = [
      (socket: { end(text: string): void }) =>
        socket.end("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"),
      (socket: { end(text: string): void }) =>
        socket.end("HTTP/1.1 429 X\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n"),
      (socket: { end(text: string): void }) => socket.end("SSH-2.0\r\n\r\n"),
      (socket: { end(text: string): void }) =>
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
      (socket: { end(text: string): void }) =>
        socket.end("HTTP/1.1 302 X\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"),
    ];
    for (const wrong of wrongs) {
      const server = await startTcp((socket) => {
        socket.on("data", (data) => {
          requests += data.toString().split(" HTTP/1.1\r\n").length - 1;
          wrong(socket);
        });
      });
      const { client, outbound, scope } = reachConnection(server, { retry: QUICK });
      requests = 0;
      const options = { idempotent: true, redirect: "none", acceptStatus: ["2xx"] } as const;
      for (const _attempt of [1, 2]) {
        await client.request("/x", { method: "POST", ...options }).catch(() => {});
      }
      expect(requests).toBeLessThanOrEqual(2 * 3);
      expect(scope.calls.filter((row) => row.bytes_sent > 0)).toHaveLength(requests);
      await outbound.close();
      await server.close();
    }
  });
});

describe("the call's own time", () => {
  it("leaves a wait that does not fit to the next attempt", async () => {
    const answer = always(503, { "retry-after": "30" });
    const { call, seen } = await numbered(answer);
    await expect(call({ timeout: 5000 })).rejects.toMatchObject({
      status: 503,
      retryable: true,
      retryAfterMs: 30_000,
    });
    expect(seen).toHaveLength(1);
  });

  it("bounds all tries together", async () => {
    const { call } = await numbered(
      (n, response) => void (n === 1 && response.writeHead(503).end()),
    );
    await expect(call({ timeout: 200 })).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("no whole answer within 200 ms"),
    });
  });

  it("is interrupted by an abort also between tries", async () => {
    const controller = new AbortController();
    const left: string[] = [];
    const leave = (outcome: string) => {
      left.push(outcome);
      setImmediate(() => controller.abort(new Error("canceled"))); // the wait has begun by then
    };
    const admission = { enter: () => ({ breakerState: "closed" as const, leave }) };
    const scope = { signal: controller.signal, admission };
    const { call, seen } = await numbered(always(503, { "retry-after": "50" }), {}, scope);
    await expect(call()).rejects.toThrow("canceled");
    expect(seen).toHaveLength(1);
    expect(left).toEqual(["failure"]);
  });
});

describe("Retry-After", () => {
  it("is waited for in place where it is short", async () => {
    const { call, scope } = await numbered((n, response) => {
      response.writeHead(n === 1 ? 429 : 200, { "retry-after": "1" }).end();
    });
    await expect(call()).resolves.toMatchObject({ status: 200 });
    expect(scope.calls).toMatchObject([{ status: 429 }, { status: 200, try: 2 }]);
  });

  const inTwoHours = () => new Date(Date.now() + 2 * 3_600_000).toUTCString();
  it.each([
    ["seconds", () => "61", 61_000],
    ["an HTTP date", inTwoHours, 7_200_000],
  ])("beyond the cap parks the execution, said as %s", async (_name, value, ms) => {
    const { call, seen, admission, scope } = await numbered((_n, response) => {
      response.writeHead(503, { "retry-after": value() }).end();
    });
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ParkedError);
    const { park, message, code } = error as ParkedError;
    expect(park).toMatchObject({ reason: "retry_after", blockedBy: "connection:crm" });
    expect(Math.abs((park.delayMs ?? 0) - ms)).toBeLessThanOrEqual(2000);
    expect(code).toBe("upstream_error");
    expect(message).toMatch(/answered 503 and asked to wait for \d+ s$/);
    expect(seen).toHaveLength(1);
    expect(admission.left).toEqual(["failure"]);
    expect(scope.calls).toMatchObject([{ status: 503, error_code: null }]);
  });

  it("parks by the connection's own cap, with retries or without", async () => {
    for (const maxRetries of [0, 2]) {
      const retry = { ...QUICK, maxRetries, maxRetryAfterMs: 5000 };
      const { call } = await numbered(always(429, { "retry-after": "6" }), { retry });
      await expect(call({ method: "POST" })).rejects.toMatchObject({
        park: { reason: "retry_after", delayMs: 6000 },
      });
    }
  });

  it("of a plain address parks beyond a minute, and is the next attempt's delay below", async () => {
    let retryAfter = "60";
    const server = await startHttp((request, response) => {
      request.resume();
      response.writeHead(429, { "retry-after": retryAfter }).end();
    });
    const outbound = createOutbound({ allow: parseAllowList(server.host) });
    closing.push(
      () => outbound.close(),
      () => server.close(),
    );
    const call = () => outbound.http(createTestScope()).request(server.origin);
    const below = await call().catch((thrown: unknown) => thrown);
    expect(below).not.toBeInstanceOf(ParkedError);
    expect(below).toMatchObject({ retryable: true, retryAfterMs: 60_000 });
    retryAfter = "61";
    await expect(call()).rejects.toMatchObject({
      park: { reason: "retry_after", delayMs: 61_000, blockedBy: null },
    });
  });

  it("parks nothing that may have had its effect", async () => {
    const { call } = await numbered(always(503, { "retry-after": "3600" }));
    const failed = call({ method: "POST" });
    await expect(failed).rejects.not.toBeInstanceOf(ParkedError);
    await expect(failed).rejects.toMatchObject({ retryable: false, status: 503 });
  });
});

describe("a token that is refused", () => {
  const auth = {
    type: "oauth2_client_credentials",
    tokenUrl: "https://id.test/token",
    clientId: "us",
    clientAuth: "basic",
    clientSecret: "s3cret",
    privateKey: null,
    keyId: null,
    algorithm: null,
    scope: null,
    audience: null,
  } as const;
  /** Gives token-1, and a later one for each that was refused. */
  const tokens = () => {
    const stales: (string | null)[] = [];
    return {
      stales,
      token: (_connection: Connection, stale: string | null) => {
        stales.push(stale);
        return Promise.resolve(`token-${stales.filter(Boolean).length + 1}`);
      },
    };
  };
  const taking =
    (wanted: string) =>
    (_n: number, response: ServerResponse, { headers }: IncomingMessage) =>
      void response.writeHead(headers.authorization === `Bearer ${wanted}` ? 200 : 401).end();

  it.each(["GET", "POST"])("is renewed once and the %s made once more", async (method) => {
    const source = tokens();
    const retry = { ...QUICK, maxRetries: 0 };
    const { call, seen, scope, admission } = await numbered(
      taking("token-2"),
      { auth, retry },
      { tokens: source },
    );
    await expect(call({ method })).resolves.toMatchObject({ status: 200 });
    expect(source.stales).toEqual([null, "token-1"]);
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
    expect(scope.calls).toMatchObject([
      { try: 1, status: 401 },
      { try: 2, status: 200 },
    ]);
    expect(admission.left).toEqual(["success", "success"]);
    expect(JSON.stringify(scope.calls)).not.toContain("token-");
  });

  it("is renewed only once", async () => {
    const source = tokens();
    const { call, seen } = await numbered(taking("never"), { auth }, { tokens: source });
    await expect(call()).rejects.toMatchObject({ status: 401, retryable: false });
    expect(seen).toHaveLength(2);
    expect(source.stales).toEqual([null, "token-1"]);
  });

  it("is renewed also where the engine takes every status", async () => {
    const { call, seen } = await numbered(taking("token-2"), { auth }, { tokens: tokens() });
    await expect(call({ acceptStatus: "any" })).resolves.toMatchObject({ status: 200 });
    expect(seen).toHaveLength(2);
    const never = await numbered(taking("never"), { auth }, { tokens: tokens() });
    await expect(never.call({ acceptStatus: "any" })).resolves.toMatchObject({ status: 401 });
    expect(never.seen).toHaveLength(2);
  });

  it("a 401 with any other credential is an answer", async () => {
    const bearer = { type: "bearer", token: "token-1" } as const;
    const { call, seen } = await numbered(taking("token-2"), { auth: bearer });
    await expect(call()).rejects.toMatchObject({ status: 401 });
    expect(seen).toHaveLength(1);
  });
});
