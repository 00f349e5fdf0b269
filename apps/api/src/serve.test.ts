import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import type { ApiEnv } from "./api-env.ts";
import { serve, type HttpServer } from "./serve.ts";
import { openTestApi, soon, type TestApi } from "./testing/api.ts";
import { createApp } from "./app.ts";

const errors: unknown[] = [];
const onError = (error: unknown) => void errors.push(error);
let app: Hono<ApiEnv>;
let server: HttpServer;
let arrived: PromiseWithResolvers<void>;
let released: PromiseWithResolvers<void>;

beforeEach(async () => {
  errors.length = 0;
  arrived = Promise.withResolvers();
  released = Promise.withResolvers();
  app = new Hono<ApiEnv>();
  app.get("/", (c) => c.text("ok"));
  app.get("/held", async (c) => {
    arrived.resolve();
    await released.promise;
    return c.text("held");
  });
  app.post("/", async (c) => c.text(await c.req.text()));
  // A body that was cut: nobody is left to answer.
  app.onError((_error, c) => c.text("cut", 400));
  server = await serve({ app, port: 0, host: "127.0.0.1", onError });
});
afterEach(async () => {
  await server.drain(0).catch(() => undefined);
});

/** Sends bytes as they are. @returns all that comes back until the server closes */
async function raw(text: string, port = server.port): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(text);
  return readAll(socket);
}
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

describe("what is not valid HTTP is a 400 problem or cut, and nothing is smuggled", () => {
  const host = "Host: x\r\n";
  test.each<[string, string]>([
    [
      "length and chunked",
      `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`,
    ],
    ["two lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ["a length that is none", `POST / HTTP/1.1\r\n${host}Content-Length: +1\r\n\r\na`],
    ["a bad chunk", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n`],
    [
      "chunked twice",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      "chunked not last",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    ],
    ["an unknown method", `BREW / HTTP/1.1\r\n${host}\r\n`],
    ["no Host", "GET / HTTP/1.1\r\n\r\n"],
    ["an odd Host", "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"],
    ["a Host that is no name", "GET / HTTP/1.1\r\nHost: http://[\r\nConnection: close\r\n\r\n"],
    ["two Hosts", `GET / HTTP/1.1\r\n${host}Host: y\r\nConnection: close\r\n\r\n`],
    ["a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n"],
    ["a space before the colon", `GET / HTTP/1.1\r\n${host}X : y\r\n\r\n`],
    ["a folded header", `GET / HTTP/1.1\r\n${host}X: y\r\n z\r\n\r\n`],
    ["a bare LF in a header", `GET / HTTP/1.1\r\n${host}X: a\nY: b\r\n\r\n`],
    ["NUL in a header", `GET / HTTP/1.1\r\n${host}X: a\u0000b\r\n\r\n`],
    ["17 KiB of headers", `GET / HTTP/1.1\r\n${host}X: ${"x".repeat(17 * 1024)}\r\n\r\n`],
    ["a target of 17 KiB", `GET /${"x".repeat(17 * 1024)} HTTP/1.1\r\n${host}\r\n`],
    ["HTTP/3.0", `GET / HTTP/3.0\r\n${host}\r\n`],
    ["no HTTP at all", "\u0016\u0003\u0001\u0002\u0000"],
    [
      "another expectation",
      `POST / HTTP/1.1\r\n${host}Expect: coffee\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    ],
  ])("%s", async (_name, text) => {
    const answer = await raw(text);
    if (answer === "") return;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({
      status: 400,
      code: "malformed_request",
      request_id: /^x-request-id: (\S+)\r$/im.exec(answer)?.[1],
    });
  });

  test.each([
    ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n"],
    ["HTTP/0.9", `GET / HTTP/0.9\r\n${host}\r\n`],
    ["HTTP/2.0", `GET / HTTP/2.0\r\n${host}\r\n`],
  ])("%s is answered, not cut and not served", async (_name, text) => {
    expect(await raw(text)).toMatch(/^HTTP\/1\.1 400 [^]*"code":"malformed_request"/);
  });

  test("a CONNECT whose caller is gone ends nothing else", async () => {
    const socket = connect(server.port, "127.0.0.1");
    const text = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n";
    socket.write(text.repeat(100), () => socket.resetAndDestroy());
    await once(socket, "close");
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(200);
  });

  test("a HEAD that cannot be read is answered without a body", async () => {
    const answer = await raw(`HEAD / HTTP/1.1\r\n${host}X : y\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*content-type: application\/problem\+json/i);
    expect(answer.endsWith("\r\n\r\n")).toBe(true);
  });

  test("and the server goes on", async () => {
    expect(await raw(`GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)).toMatch(
      /200 OK[^]*ok$/,
    );
    expect(errors).toEqual([]);
  });
});

test("slow headers and slow bodies are cut when their time is up", async () => {
  const timeouts = { headersMs: 200, wholeMs: 400, checkMs: 50 };
  const impatient = await serve({ app, port: 0, host: "127.0.0.1", onError, timeouts });
  const slow = [
    "GET / HTTP/1.1\r\nHost: x\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
  ];
  for (const answer of await Promise.all(slow.map((text) => raw(text, impatient.port)))) {
    expect(answer).toMatch(/^$|^HTTP\/1\.1 400 /);
  }
  await impatient.drain(0);
});

test("a drain answers what is under way, tells others to go, and ends", async () => {
  const held = fetch(`http://127.0.0.1:${server.port}/held`);
  await arrived.promise;
  const drained = server.drain(20_000);
  // It still listens for a moment.
  expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(200);
  released.resolve();
  expect(await (await held).text()).toBe("held");
  await drained;
  await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
});

test("a drain ends though a caller never does", async () => {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "connect");
  const gone = once(socket, "close");
  await server.drain(300);
  await gone;
});

describe("the API over a socket", () => {
  let api: TestApi;
  let port: number;
  beforeEach(async () => {
    api = await openTestApi({ database: await freshDatabase() });
    await server.drain(0);
    server = await serve({ app: createApp(api.deps), port: 0, host: "127.0.0.1", onError });
    ({ port } = server);
  });
  afterEach(async () => {
    await server.drain(0);
    await api.close();
  });
  const head = (method: string, path: string, more = "") =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: ${api.deps.settings.planeApiKeys[0]}\r\n${more}`;
  const echo = "/api/v1/engines/echo/execute";
  const json = "Content-Type: application/json\r\n";

  test("bodies come with a length or chunked, and a POST without one needs no type", async () => {
    const body = '{"input":"é"}';
    const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    expect(await raw(`${head("POST", echo, json + length)}\r\n${body}`, port)).toMatch(
      /^HTTP\/1.1 202/,
    );
    const chunked = `${head("POST", echo, `${json}Transfer-Encoding: chunked\r\n`)}\r\n5\r\n{"inp\r\n8\r\nut":"x"}\r\n0\r\n\r\n`;
    const accepted = await raw(chunked, port);
    expect(accepted).toMatch(/^HTTP\/1.1 202/);
    const id = /"execution_id":"([^"]+)"/.exec(accepted)![1]!;
    for (const more of ["", json, "Content-Length: 0\r\n", `${json}Content-Length: 0\r\n`]) {
      const canceled = await raw(
        `${head("POST", `/api/v1/executions/${id}/cancel`, more)}\r\n`,
        port,
      );
      expect(canceled).toMatch(/^HTTP\/1.1 200/);
    }
    expect(await raw(`${head("POST", echo)}\r\n`, port)).toMatch(/^HTTP\/1.1 400/);
    expect(await raw(`${head("POST", echo, length)}\r\n${body}`, port)).toMatch(/^HTTP\/1.1 415/);
  });

  test("a body over the limit is refused from its length alone, and when chunks go over it", async () => {
    const declared = head("POST", echo, `${json}Content-Length: 99999999\r\n`);
    expect(await raw(`${declared}\r\n`, port)).toMatch(/^HTTP\/1.1 413[^]*payload_too_large/);
    const chunk = `10000\r\n${" ".repeat(65536)}\r\n`;
    const endless = `${head("POST", echo, `${json}Transfer-Encoding: chunked\r\n`)}\r\n${chunk.repeat(20)}`;
    expect(await raw(endless, port)).toMatch(/^HTTP\/1.1 413[^]*payload_too_large/);
  });

  test("the connection goes on after a body that was too large", async () => {
    const chunk = `10000\r\n${" ".repeat(65536)}\r\n`;
    const kept = head("POST", echo, json).replace("Connection: close\r\n", "");
    for (const tooLarge of [
      `${kept}Content-Length: 1310720\r\n\r\n${" ".repeat(1_310_720)}`,
      `${kept}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`,
    ]) {
      const answers = await raw(`${tooLarge}${head("GET", "/healthz")}\r\n`, port);
      expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"]);
    }
  });

  test("a header sent twice fits nothing", async () => {
    const key = `X-API-Key: ${api.deps.settings.planeApiKeys[0]}\r\n`;
    expect(await raw(`${head("GET", "/api/v1/engines", key)}\r\n`, port)).toMatch(/^HTTP\/1.1 401/);
    const bearer = "Authorization: Bearer a.b.c\r\n";
    const twice = `GET /api/v1/engines HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${bearer}${bearer}\r\n`;
    expect(await raw(twice, port)).toMatch(/^HTTP\/1.1 401/);
    const keyed = head(
      "POST",
      echo,
      `${json}Content-Length: 11\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n`,
    );
    expect(await raw(`${keyed}\r\n{"input":1}`, port)).toMatch(/^HTTP\/1.1 400/);
  });

  test("methods that nobody serves are 405; dots lead nowhere", async () => {
    for (const method of ["TRACE", "PROPFIND", "PUT"]) {
      const answer = await raw(`${head(method, "/api/v1/engines")}\r\n`, port);
      expect(answer).toMatch(/^HTTP\/1.1 405/);
      expect(answer).toContain("allow: GET, HEAD, OPTIONS");
    }
    for (const path of [
      "/docs/../api/v1/nothing",
      "/docs/%2e%2e/%2e%2e/etc/passwd",
      "//evil/",
      "/api/v1/engines/..%2f",
      "/%",
      "/api\\v1",
    ]) {
      expect(await raw(`${head("GET", path)}\r\n`, port)).toMatch(
        /^HTTP\/1.1 40[04][^]*problem\+json/,
      );
    }
  });

  test("a caller who goes away is waited for no more", async () => {
    const body = '{"input":1}';
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `${head("POST", echo, `${json}Prefer: wait=60\r\nContent-Length: ${body.length}\r\n`)}\r\n${body}`,
    );
    await expect.poll(() => api.deps.watcher.held, soon).toBe(1);
    socket.destroy();
    await expect.poll(() => api.deps.watcher.held, soon).toBe(0);
  });
});
