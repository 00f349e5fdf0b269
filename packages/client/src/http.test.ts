import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConnectionError, createClient, UnexpectedAnswerError } from "./index.ts";
import { execution, problem, startScriptedServer, type ScriptedServer } from "./scripted-server.ts";

let api: ScriptedServer;
beforeEach(async () => {
  api = await startScriptedServer();
});
afterEach(() => api.close());

const status = "GET /api/v1/executions/0199";

test("nobody there is a ConnectionError that says why", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  silent.close();
  await once(silent, "close");

  const client = createClient({
    baseUrl: `http://127.0.0.1:${port}`,
    apiKey: "tlk_x",
    retries: { limit: 1, initialDelayMs: 1 },
  });
  const error = await client.status("0199").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConnectionError);
  expect(error).toMatchObject({ url: `http://127.0.0.1:${port}/api/v1/executions/0199` });
  expect((error as Error).message).toMatch(/can't be reached: .*ECONNREFUSED/);
});

test("no answer in time is a ConnectionError too, and lets go of the connection", async () => {
  api.on(status, () => undefined);
  const client = createClient({ baseUrl: api.url, apiKey: "tlk_x", timeoutMs: 50, retries: 0 });
  await expect(client.status("0199")).rejects.toMatchObject({
    name: "ConnectionError",
    timedOut: true,
  });
  await api.requests[0]!.closed;
});

test("a redirect is not followed: the key stays here", async () => {
  api.on(status, { status: 307, headers: { location: `${api.url}/elsewhere` } });
  const client = createClient({ baseUrl: api.url, apiKey: "tlk_x" });
  await expect(client.status("0199")).rejects.toThrow(/redirect to .*\/elsewhere.*not followed/);
  expect(api.requests.map((r) => r.path)).toEqual(["/api/v1/executions/0199"]);
});

test.for([
  { status: 200, text: "<html>" },
  { status: 200, text: "" },
  { status: 404, headers: { "content-type": "text/html" }, text: "<h1>nginx</h1>" },
])("an answer of somebody else ($status $text) is named as such", async (reply) => {
  api.on(status, reply);
  const client = createClient({ baseUrl: api.url, apiKey: "tlk_x", retries: 0 });
  const error = await client.status("0199").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UnexpectedAnswerError);
  expect(error).toMatchObject({ status: reply.status });
});

test("an id is data in the address", async () => {
  const client = createClient({ baseUrl: `${api.url}/tl/`, apiKey: "tlk_x", retries: 0 });
  await client.status("../keys?x=1").catch(() => undefined);
  expect(api.requests[0]?.path).toBe("/tl/api/v1/executions/..%2Fkeys%3Fx%3D1");
});

describe("the credential", () => {
  test("a token may be a function, asked anew before each try", async () => {
    api.on(
      status,
      { status: 503, headers: { "retry-after": "0" }, json: problem("unavailable", 503) },
      { status: 200, json: execution() },
    );
    let n = 0;
    const client = createClient({
      baseUrl: api.url,
      token: async () => `t${++n}`,
      retries: { initialDelayMs: 1 },
    });
    await client.status("0199");
    expect(api.requests.map((r) => r.headers["authorization"])).toEqual(["Bearer t1", "Bearer t2"]);
    expect(api.requests[0]?.headers).not.toHaveProperty("x-api-key");
  });

  test("neither and both are refused before any request", () => {
    expect(() => createClient({ baseUrl: api.url })).toThrow(/either apiKey or token/);
    expect(() => createClient({ baseUrl: api.url, apiKey: "k", token: "t" })).toThrow(TypeError);
    expect(() => createClient({ baseUrl: api.url, apiKey: "" })).toThrow(/apiKey is empty/);
  });
});

test.for(["nonsense", "ftp://example.com", "http://u:p@example.com", "http://example.com/?a"])(
  "the base address %s is refused",
  (baseUrl) => {
    expect(() => createClient({ baseUrl, apiKey: "k" })).toThrow(/baseUrl/);
  },
);
