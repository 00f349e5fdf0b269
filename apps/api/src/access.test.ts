import type { Accepted, Problem } from "@tl-engine/contract";
import { changeKey } from "@tl-engine/shared/keys/change-key.ts";
import { createKey } from "@tl-engine/shared/keys/create-key.ts";
import { revokeKey } from "@tl-engine/shared/keys/revoke-key.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import type { Endpoint } from "./endpoint.ts";
import { endpoints } from "./endpoints.ts";
import { frontEnd, openTestApi, planeKey, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase(), settings: { rateLimit: 1_000_000 } });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

const unknownId = "0199aaaa-0000-7000-8000-000000000000";
const pathOf = ({ route }: Endpoint) =>
  route.path
    .replace("{engine_id}", "echo")
    .replace("{execution_id}", unknownId)
    .replace("{key_id}", "AAAAAAAAAAAA");
const protectedEndpoints = endpoints.filter(
  (endpoint) => endpoint.access !== "public" && endpoint.access !== "own",
);
const nameOf = ({ route }: Endpoint) => `${route.method.toUpperCase()} ${route.path}`;
const problem = async (response: Response) => (await response.json()) as Problem;
type As = Record<string, string> | null;

describe.each(protectedEndpoints.map((endpoint) => [nameOf(endpoint), endpoint] as const))(
  "%s",
  (_name, endpoint) => {
    const method = endpoint.route.method.toUpperCase();
    const ask = (as: As) => api.ask(pathOf(endpoint), { method, as });

    test("refuses who is not known, and never says why", async () => {
      const { record, key } = await createKey(api.stack.db, { name: "off" });
      const off = { "X-API-Key": key };
      await changeKey(api.stack.db, api.stack.signals, record.id, { is_active: false });
      const revoked = await createKey(api.stack.db, { name: "revoked" });
      await revokeKey(api.stack.db, api.stack.signals, revoked.record.id);
      const expired = await api.program({ expires_at: "2020-01-01T00:00:00Z" });
      const mistyped = { "X-API-Key": `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}` };
      const answers = [];
      for (const as of [
        null,
        { "X-API-Key": "" },
        { "X-API-Key": "nonsense" },
        { "X-API-Key": `${planeKey}x` },
        { "X-API-Key": `${planeKey}, ${planeKey}` },
        { Authorization: `Bearer ${planeKey}` },
        mistyped,
        off,
        { "X-API-Key": revoked.key },
        expired,
        { "X-API-Key": planeKey, Authorization: "Bearer x" },
      ]) {
        const response = await ask(as);
        expect(response.status).toBe(401);
        expect(response.headers.get("content-type")).toBe("application/problem+json");
        expect(response.headers.get("www-authenticate")).not.toBeNull();
        expect(response.headers.get("x-ratelimit-limit")).toBeNull();
        const { request_id: _, ...rest } = await problem(response);
        answers.push(JSON.stringify(rest));
      }
      expect(new Set(answers).size).toBe(1);
    });

    test("refuses who may do nothing: 403, with rate headers, before anything is looked up", async () => {
      for (const as of [await api.program({ scopes: [] }), await frontEnd("x", { scope: "" })]) {
        const response = await ask(as);
        expect(response.status).toBe(403);
        expect((await problem(response)).code).toBe("forbidden");
        expect(response.headers.get("x-ratelimit-remaining")).not.toBeNull();
        expect(response.headers.get("ratelimit")).not.toBeNull();
      }
    });

    test("needs the right scope, and no admin scope of a token opens it", async () => {
      const all = [
        "engines:read",
        "engines:execute",
        "executions:read",
        "executions:write",
        "metrics:read",
      ];
      const open: string[] = [];
      for (const scope of all) {
        const scoped = await frontEnd("x", { scope });
        if ((await ask(scoped)).status !== 403) open.push(scope);
      }
      const { access } = endpoint;
      const wanted =
        access === "any_execute"
          ? "engines:execute"
          : typeof access === "function"
            ? "engines:read"
            : access;
      expect(open).toEqual(all.filter((scope) => scope === wanted));
      if (wanted === "keys:admin") {
        for (const scope of ["keys:admin", "engines:admin keys:admin", all.join(" ")]) {
          expect((await ask(await frontEnd("x", { scope }))).status).toBe(403);
        }
      }
    });

    test("costs one of the right budget, whatever the answer", async () => {
      const as = await api.program({ rate_limit: 3 });
      const reads =
        method === "GET" && /\/status$|^\/api\/v1\/executions/.test(endpoint.route.path);
      const limit = reads ? 30 : 3;
      for (let used = 1; used <= 3; used++) {
        const response = await ask(as);
        expect(response.headers.get("x-ratelimit-limit")).toBe(String(limit));
        expect(response.headers.get("x-ratelimit-remaining")).toBe(String(limit - used));
      }
    });
  },
);

describe("order of errors", () => {
  const step = async (path: string, init: Parameters<TestApi["ask"]>[1] = {}) => {
    const response = await api.ask(path, init);
    return [response.status, (await problem(response)).code];
  };
  const echo = "/api/v1/engines/echo/execute";
  const broken = {
    body: "x".repeat(2 * 1024 * 1024),
    headers: { "Content-Type": "text/plain", "Idempotency-Key": "a b" },
  };

  test("who knocks at the bare address is shown the way in", async () => {
    const response = await api.ask("/", { as: null });
    expect(response.status).toBe(404);
    expect((await problem(response)).detail).toContain("/docs");
  });

  test("404 and 405 of the path come before 401", async () => {
    expect(await step("/api/v1/nothing", { as: null })).toEqual([404, "not_found"]);
    expect(await step("/api/v1/engines/", { as: null })).toEqual([404, "not_found"]);
    expect(await step("/api/v1/engines//execute", { as: null })).toEqual([404, "not_found"]);
    expect(await step("/api/v1/engines/echo/execute/batch", { as: null, method: "POST" })).toEqual([
      404,
      "not_found",
    ]);
    for (const [method, path, allow] of [
      ["GET", echo, "OPTIONS, POST"],
      ["GET", "/api/v1/engines/execute", "OPTIONS, POST"],
      ["POST", "/api/v1/engines/status", "GET, HEAD, OPTIONS"],
      ["DELETE", "/api/v1/engines/metrics", "GET, HEAD, OPTIONS"],
      ["PUT", "/api/v1/keys/x", "DELETE, GET, HEAD, OPTIONS, PATCH"],
      ["TRACE", "/healthz", "GET, HEAD, OPTIONS"],
      ["PROPFIND", "/openapi.json", "GET, HEAD, OPTIONS"],
    ] as const) {
      // undici refuses to send some of these; the server gets them all the same.
      const request = new Request(`http://x${path}`);
      Object.defineProperty(request, "method", { value: method });
      const response = await (await import("./app.ts")).createApp(api.deps).request(request);
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe(allow);
      expect((await problem(response)).code).toBe("method_not_allowed");
    }
  });

  test("then 401, 429, 403, 404, 415, 413, 400, 422", async () => {
    expect(await step("/api/v1/engines/none/execute", { ...broken, as: null })).toEqual([
      401,
      "unauthorized",
    ]);
    const spent = await api.program({ scopes: [], rate_limit: 1 });
    expect(await step("/api/v1/engines/none/execute", { ...broken, as: spent })).toEqual([
      403,
      "forbidden",
    ]);
    const limited = await api.ask("/api/v1/engines/none/execute", { ...broken, as: spent });
    expect(limited.status).toBe(429);
    expect((await problem(limited)).code).toBe("rate_limited");
    expect(limited.headers.get("x-ratelimit-remaining")).toBe("0");
    const retryAfter = Number(limited.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(3590);
    expect(retryAfter).toBeLessThanOrEqual(3600);
    const narrow = await api.program({ scopes: ["engines:execute:resize"] });
    expect(await step("/api/v1/engines/none/execute", { ...broken, as: narrow })).toEqual([
      403,
      "forbidden",
    ]);
    expect(await step("/api/v1/engines/none/execute", broken)).toEqual([404, "engine_not_found"]);
    expect(await step(`${echo}?x=1`, broken)).toEqual([415, "unsupported_media_type"]);
    const json = { "Content-Type": "application/json", "Idempotency-Key": "a b" };
    expect(await step(`${echo}?x=1`, { ...broken, headers: json })).toEqual([
      413,
      "payload_too_large",
    ]);
    expect(await step(`${echo}?x=1`, { body: "{}", headers: json })).toEqual([
      400,
      "malformed_request",
    ]);
    expect(await step(echo, { body: "{}", headers: json })).toEqual([400, "malformed_request"]);
    expect(await step(echo, { json: {} })).toEqual([422, "invalid_input"]);
  });

  test("the engine in a body: its form, scope and existence before the rest", async () => {
    const any = "/api/v1/engines/execute";
    expect(await step(any, { json: { input: 1 } })).toEqual([422, "invalid_input"]);
    expect(await step(any, { json: { engine: "UPPER", input: 1 } })).toEqual([
      422,
      "invalid_input",
    ]);
    expect(await step(any, { json: { engine: 5 } })).toEqual([422, "invalid_input"]);
    expect(await step(any, { json: { engine: "none", bogus: 1 } })).toEqual([
      404,
      "engine_not_found",
    ]);
    const key = { "Idempotency-Key": "k" };
    const bogus = { engine: "none", bogus: 1 };
    for (const [address, headers] of [
      [any, key],
      [any, { "Idempotency-Key": "no key" }],
      [`${any}?x=1`, {}],
    ] as const) {
      expect(await step(address, { json: bogus, headers })).toEqual([404, "engine_not_found"]);
    }
    expect(await step(any, { json: { engine: "echo", bogus: 1 } })).toEqual([422, "invalid_input"]);
    expect(await step(`${any}?x=1`, { json: { bogus: 1 } })).toEqual([400, "malformed_request"]);
    const narrow = await api.program({ scopes: ["engines:execute:resize"] });
    expect(await step(any, { as: narrow, json: { engine: "echo", input: 1 } })).toEqual([
      403,
      "forbidden",
    ]);
    const ok = { engine: "resize", input: { url: "https://example.com/" } };
    expect((await api.ask(any, { as: narrow, json: ok })).status).toBe(202);
  });
});

describe("tenants", () => {
  const submit = async (as: Record<string, string>, engine = "echo") => {
    const response = await api.ask(`/api/v1/engines/${engine}/execute`, {
      as,
      json: { input: { secret: "s3cret" } },
    });
    expect(response.status).toBe(202);
    return ((await response.json()) as Accepted).execution_id;
  };

  test("somebody else's execution is like an unknown one, byte for byte, in every address", async () => {
    const a = await api.program();
    for (const b of [await api.program(), await frontEnd("mallory"), await frontEnd("alice")]) {
      const id = await submit(a);
      const headers = { "X-Request-Id": "the-same" };
      for (const [method, address] of [
        ["GET", (one: string) => `/api/v1/executions/${one}`],
        ["GET", (one: string) => `/api/v1/executions/${one}?wait=1&include=input`],
        ["GET", (one: string) => `/api/v1/executions/${one}?bogus=1`],
        ["GET", (one: string) => `/api/v1/engines/echo/status?execution_id=${one}`],
        ["POST", (one: string) => `/api/v1/executions/${one}/cancel`],
      ] as const) {
        const theirs = await api.ask(address(id), { method, as: b, headers });
        const unknown = await api.ask(address(unknownId), { method, as: b, headers });
        expect(theirs.status).toBe(404);
        expect(await theirs.text()).toBe(await unknown.text());
        const shown = (response: Response) =>
          [...response.headers].filter(([name]) => !/ratelimit/.test(name));
        expect(shown(theirs)).toEqual(shown(unknown));
      }
      const several = await api.ask(`/api/v1/engines/status?execution_id=${id},${unknownId}`, {
        as: b,
      });
      expect(await several.json()).toEqual({ executions: [], not_found: [id, unknownId] });
      const twice = `/api/v1/engines/echo/status?execution_id=${unknownId}&execution_id=${id}`;
      expect((await api.ask(twice, { as: b })).status).toBe(404);
      const list = await (await api.ask("/api/v1/executions?include=input", { as: b })).text();
      expect(list).not.toContain(id);
      expect(list).not.toContain("s3cret");
      expect((await api.ask(`/api/v1/executions/${id}`, { as: a })).status).toBe(200);
      expect((await api.ask(`/api/v1/executions/${id}`)).status).toBe(200);
    }
  });

  test("one subject of two issuers, or a token and a key, are never one caller", async () => {
    const id = await submit(await frontEnd("key:abc"));
    expect((await api.ask(`/api/v1/executions/${id}`, { as: await api.program() })).status).toBe(
      404,
    );
    expect(
      (await api.ask(`/api/v1/executions/${id}`, { as: await frontEnd("key:abc") })).status,
    ).toBe(200);
  });

  test("engines outside a key's list are absent everywhere", async () => {
    const as = await api.program({
      engines: ["echo"],
      scopes: ["engines:read", "engines:execute", "executions:read", "metrics:read"],
    });
    for (const [path, method] of [
      ["/api/v1/engines/resize", "GET"],
      ["/api/v1/engines/resize/status", "GET"],
      ["/api/v1/engines/resize/execute", "POST"],
      ["/api/v1/engines/metrics?engine=resize", "GET"],
    ] as const) {
      const response = await api.ask(path, { method, as });
      expect(response.status).toBe(404);
      expect((await problem(response)).code).toBe("engine_not_found");
    }
    const inBody = await api.ask("/api/v1/engines/execute", {
      as,
      json: { engine: "resize", input: 1 },
    });
    expect(inBody.status).toBe(404);
    for (const path of ["/api/v1/engines", "/api/v1/engines/status", "/api/v1/engines/metrics"]) {
      const { engines } = (await (await api.ask(path, { as })).json()) as {
        engines: { id: string }[];
      };
      expect(engines.map((engine) => engine.id)).toEqual(["echo"]);
    }
  });

  test("a status with execution_id needs executions:read, without engines:read", async () => {
    const reader = await api.program({ scopes: ["executions:read"] });
    const looker = await api.program({ scopes: ["engines:read"] });
    for (const engine of ["", "/echo"]) {
      const state = `/api/v1/engines${engine}/status`;
      const asked = `${state}?execution_id=${unknownId}`;
      expect((await api.ask(state, { as: reader })).status).toBe(403);
      expect((await api.ask(state, { as: looker })).status).toBe(200);
      expect((await api.ask(asked, { as: looker })).status).toBe(403);
      expect((await api.ask(asked, { as: reader })).status).not.toBe(403);
    }
    // A wait on a submit needs no more than the submit.
    const executor = await api.program({ scopes: ["engines:execute"] });
    const waited = await api.ask("/api/v1/engines/echo/execute", {
      as: executor,
      json: { input: 1 },
      headers: { Prefer: "wait=1" },
    });
    expect(waited.status).toBe(202);
  });
});

test("a key without a limit carries no rate headers", async () => {
  const response = await api.ask("/api/v1/engines", {
    as: await api.program({ rate_limit: null }),
  });
  expect(response.status).toBe(200);
  expect([...response.headers.keys()].filter((name) => /ratelimit/.test(name))).toEqual([]);
});

test("logs name the caller by his id, never by his credential", async () => {
  const as = await api.program();
  api.answers.length = 0;
  await api.ask("/api/v1/engines?token=secret", { as, headers: { "X-Request-Id": "mine" } });
  expect(api.answers).toEqual([
    expect.objectContaining({
      requestId: "mine",
      route: "/api/v1/engines",
      status: 400,
      code: "malformed_request",
      caller: expect.stringMatching(/^key:[0-9A-Za-z]{12}$/),
    }),
  ]);
  expect(JSON.stringify(api.answers)).not.toMatch(/tlk_|secret/);
});
