import type { Problem } from "@tl-engine/contract";
import { problems } from "@tl-engine/contract";
import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { makeCursor } from "./cursor.ts";
import type { Endpoint } from "./endpoint.ts";
import { endpoints } from "./endpoints.ts";
import { createInputCheck } from "./input-validator.ts";
import { openTestApi, type AskInit, type TestApi } from "./testing/api.ts";

let api: TestApi;
let id = "";
let keyId = "";
let sent = 0;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
  const accepted = await api.ask("/api/v1/engines/echo/execute", { json: { input: 1 } });
  id = ((await accepted.json()) as { execution_id: string }).execution_id;
  const key = await api.ask("/api/v1/keys", { json: { name: "target" } });
  keyId = ((await key.json()) as { id: string }).id;
});
afterAll(async () => {
  expect(sent).toBeGreaterThanOrEqual(600);
  expect(api.defects).toEqual([]);
  // And it works as before.
  const accepted = await api.ask("/api/v1/engines/echo/execute", { json: { input: 1 } });
  expect(accepted.status).toBe(202);
  await api.close();
});

/** A refusal is a problem that says nothing of our insides; anything else is a plain success. */
async function judge(response: Response): Promise<void> {
  sent += 1;
  expect(response.status).toBeLessThan(500);
  expect(response.headers.get("x-request-id")).not.toBeNull();
  if (response.status < 400) return;
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const text = await response.text();
  const problem = JSON.parse(text) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problems[problem.code].status).toBe(response.status);
  expect(problem.type).toMatch(new RegExp(`#${problem.code}$`));
  expect(problem.request_id).toBe(response.headers.get("x-request-id"));
  expect(problem.detail.length).toBeGreaterThan(0);
  expect(text).not.toMatch(/\bat \S+:\d+|node_modules|\.ts\b|SELECT |postgres|127\.0\.0\.1|pg_/i);
}

const pathOf = ({ route }: Endpoint, engine = "echo") =>
  route.path
    .replace("{engine_id}", engine)
    .replace("{execution_id}", id)
    .replace("{key_id}", keyId)
    .replace("{asset}", "start.js");

const bodies: [string, string | Uint8Array<ArrayBuffer>][] = [
  ["nothing", ""],
  ["no JSON", "{"],
  ["a text", '"x"'],
  ["a number", "1"],
  ["null", "null"],
  ["a list", "[]"],
  ["bad UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ["65 levels", `{"input":${"[".repeat(65)}${"]".repeat(65)}}`],
  ["NUL", '{"input":"\\u0000","name":"\\u0000","overlap":"\\u0000","engine":"\\u0000"}'],
  ["a lone surrogate", '{"input":"\\ud800","name":"\\ud800","engine":"echo"}'],
  ["a lone surrogate as a name", '{"\\ud800":1}'],
  ["overflow", '{"input":1e400,"rate_limit":1e400,"engine":"echo"}'],
  ["a big integer", '{"input":9007199254740993,"rate_limit":9007199254740993}'],
  ["__proto__", '{"__proto__":{"input":1,"name":"x"},"engine":"echo"}'],
  ["constructor", '{"constructor":{"prototype":{"x":1}}}'],
  [
    "own columns",
    '{"input":1,"engine":"echo","name":"x","id":"x","caller_id":"plane","status":"succeeded"}',
  ],
  [
    "wrong types",
    '{"input":1,"engine":[],"name":{},"options":[],"tags":{},"metadata":[],"scopes":1,"overlap":1}',
  ],
  [
    "deep options",
    '{"input":1,"engine":"echo","options":{"ttl":{},"delay":[],"run_at":1,"priority":null}}',
  ],
  [
    "far dates",
    '{"input":1,"engine":"echo","name":"x","expires_at":"+275760-09-13T00:00:00Z","options":{"run_at":"9999-12-31T23:59:59.999999999999Z"}}',
  ],
  [
    "long durations",
    '{"input":1,"engine":"echo","options":{"ttl":"999999999d","timeout":"999999999d"},"overlap":"999999999d"}',
  ],
  ["an engine with a path", '{"input":1,"engine":"../echo"}'],
  ["an unknown version", '{"input":1,"engine":"echo@999999999"}'],
  ["a version too big", '{"input":1,"engine":"echo@99999999999999999999"}'],
  ["10,001 members", `{${Array.from({ length: 10_001 }, (_, i) => `"k${i}":1`).join()}}`],
];
const headers: [string, Record<string, string>][] = [
  ["text/plain", { "Content-Type": "text/plain" }],
  ["no media type", { "Content-Type": "" }],
  ["form", { "Content-Type": "application/x-www-form-urlencoded" }],
  ["another charset", { "Content-Type": "application/json; charset=latin1" }],
  ["media type twice", { "Content-Type": "application/json, application/json" }],
  ["gzip", { "Content-Type": "application/json", "Content-Encoding": "gzip" }],
  ["a broken key", { "Content-Type": "application/json", "Idempotency-Key": "a b" }],
  ["a broken tag", { "Content-Type": "application/json", "If-None-Match": '"' }],
  ["a broken preference", { "Content-Type": "application/json", Prefer: "wait=;=,," }],
  [
    "odd headers",
    {
      "Content-Type": "application/json",
      "X-Request-Id": "a\tb",
      traceparent: "x",
      Accept: ";;q=x",
      Range: "bytes=0-",
      "If-Match": "*",
    },
  ],
];
const queries = [
  "?",
  "?&&&",
  "?bogus=1",
  "?execution_id",
  "?execution_id=%00",
  "?execution_id=%ff",
  "?execution_id=%",
  "?limit=1e9",
  "?limit=-1",
  "?cursor=AAAA",
  "?cursor=%F0%9F%98%80",
  "?status[]=queued",
  "?tag='%20OR%201=1--",
  "?include=output&include=input",
  "?created_after=0000-00-00T00:00:00Z",
  "?__proto__=1",
  "?wait=NaN",
  `?tag=${"x".repeat(8_000)}`,
  "?engine=../../etc/passwd",
];
const engineNames = [
  "%00",
  "..",
  "%2e%2e",
  "a%2fb",
  "ECHO",
  "echo@",
  "echo@0",
  "echo@1@1",
  "x".repeat(65),
  "%ff",
  "é",
  "execute",
  "status",
  "metrics",
  "'",
  "{}",
];

describe.each(
  endpoints.map(
    (endpoint) => [`${endpoint.route.method} ${endpoint.route.path}`, endpoint] as const,
  ),
)("%s", (_name, endpoint) => {
  const method = endpoint.route.method.toUpperCase();
  const takesBody = !["GET", "HEAD"].includes(method);
  const ask = (path: string, init: AskInit = {}) => api.ask(path, { method, ...init });

  if (takesBody)
    test("bodies", async () => {
      for (const [, body] of bodies) {
        await judge(
          await ask(pathOf(endpoint), { body, headers: { "Content-Type": "application/json" } }),
        );
      }
    });

  test("headers", async () => {
    for (const [, more] of headers) {
      await judge(await ask(pathOf(endpoint), { headers: more, ...(takesBody && { body: "{}" }) }));
    }
  });

  test("queries", async () => {
    for (const query of queries) await judge(await ask(`${pathOf(endpoint)}${query}`));
  });

  test("other methods", async () => {
    for (const other of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const response = await api.ask(pathOf(endpoint), { method: other });
      if (other === "HEAD" && response.status >= 400) expect(await response.text()).toBe("");
      else await judge(response);
    }
  });

  if (endpoint.route.path.includes("{"))
    test("names in the path", async () => {
      for (const name of engineNames) {
        const path = endpoint.route.path.replace(/\{\w+\}/, name);
        await judge(await ask(path, takesBody ? { json: { input: 1 } } : {}));
      }
    });
});

test("bodies over the limit are 413 before they are read, with a length and without", async () => {
  const path = "/api/v1/engines/echo/execute";
  const json = { "Content-Type": "application/json" };
  const big = `{"input":"${"x".repeat(1024 * 1024)}"}`;
  const response = await api.ask(path, {
    body: big,
    headers: { ...json, "Content-Length": String(big.length) },
  });
  expect(response.status).toBe(413);
  expect(await response.json()).toMatchObject({ code: "payload_too_large", limit_bytes: 1048576 });

  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(Buffer.alloc(64 * 1024, 0x20));
    },
  });
  const chunked = await api.ask(path, {
    body: endless,
    headers: { ...json, "Transfer-Encoding": "chunked" },
  });
  expect(chunked.status).toBe(413);
  expect(pulled).toBeLessThan(25);

  const justFits = `{"input":"${"x".repeat(1024 * 1024 - 12)}"}`;
  expect(Buffer.byteLength(justFits)).toBe(1024 * 1024);
  expect((await api.ask(path, { body: justFits, headers: json })).status).toBe(202);
});

test.each([
  ["keys", " AAAAAAAAAAAA"],
  ["keys", "2026-01-01T00:00:00.000Z"],
  ["keys", "2026-02-30T00:00:00.000Z AAAAAAAAAAAA"],
  ["keys", "+275760-01-01T00:00:00.000Z AAAAAAAAAAAA"],
  ["executions", "none"],
  ["engines", "ECHO"],
])("a made-up cursor of %s that says %j is refused", async (list, place) => {
  const response = await api.ask(`/api/v1/${list}?cursor=${makeCursor(list, place)}`);
  expect(response.status).toBe(400);
  await judge(response);
});

describe("a refusal stays small, however long the names in a body are", () => {
  const long = "k".repeat(200_000);
  const wrong = (value: string): string => `[${Array.from({ length: 100 }, () => value).join()}]`;

  test.each([
    ["values that cannot be kept", `{"input":{"${long}":${wrong('"\\u0000"')}}}`],
    ["numbers out of range", `{"input":{"${long}":${wrong("1e400")}}}`],
    ["members that there are not", `{"input":1,"${long}":1,"metadata":{"${long}":{}}}`],
    ["an engine that there is not", `{"input":1,"engine":"${long}"}`],
  ])("%s", async (_name, body) => {
    const path = `/api/v1/engines/${body.includes('"engine"') ? "" : "echo/"}execute`;
    const response = await api.ask(path, { body, headers: { "Content-Type": "application/json" } });
    expect(response.status).toBe(422);
    const text = await response.text();
    expect(text.length).toBeLessThan(150_000);
    expect((JSON.parse(text) as Problem).errors?.length).toBeGreaterThan(0);
  });

  test("inputs that the engine's schema refuses", () => {
    const inputSchema = { additionalProperties: { items: { type: "string" } } };
    const engine = { id: "any", version: 1, fingerprint: "1", inputSchema };
    const errors = createInputCheck()(
      engine as unknown as EngineVersion,
      { [long]: Array.from({ length: 100 }, () => 1) },
      long.length + 300,
    );
    expect(JSON.stringify(errors).length).toBeLessThan(150_000);
    expect(errors.length).toBeGreaterThan(0);
  });
});
