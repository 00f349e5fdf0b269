import { problems } from "@tl-engine/contract";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { createApp } from "./app.ts";
import { endpoints } from "./endpoints.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, { headers?: object }> }>
  >;
}
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(() => api.close());

const ask = (path: string) => api.ask(path, { as: null });

test("the document lists exactly the routes that are served", async () => {
  const document = (await (await ask("/openapi.json")).json()) as Document;
  expect(document.openapi).toBe("3.1.0");
  const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = createApp(api.deps)
    .routes.filter((route) => route.method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  expect(listed.sort()).toEqual([...new Set(served)].sort());
  expect(listed).toHaveLength(endpoints.length);
});

test("the file in docs is the document", () => {
  const file = readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8");
  expect(api.deps.openapi() === file, "run: npx node scripts/openapi.ts").toBe(true);
});

test("every problem that can be met has its section in the catalogue", () => {
  const catalogue = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
  for (const code of Object.keys(problems)) expect(catalogue).toContain(`\n### ${code}\n`);
});

test("operations have names of their own, and each that is protected may answer 401, 403 and 429", async () => {
  const document = JSON.parse(api.deps.openapi()) as Document;
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(new Set(operations.map((one) => one.operationId)).size).toBe(operations.length);
  for (const { route, access } of endpoints) {
    const { responses } = document.paths[route.path]![route.method]!;
    const needed =
      access === "public"
        ? []
        : access === "own"
          ? ["400", "401", "503"]
          : ["400", "401", "403", "429", "503"];
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(needed));
  }
});

test("every header of an answer that means something to callers is in the document", async () => {
  const { paths } = JSON.parse(api.deps.openapi()) as Document;
  const says = (path: string, method: string, status: number) =>
    Object.keys(paths[path]![method]!.responses[status]!.headers ?? {}).map((name) =>
      name.toLowerCase(),
    );
  const framing = ["cache-control", "content-type", "vary", "x-content-type-options"];
  const check = async (path: string, asked: Promise<Response>, method = "get") => {
    const answer = await asked;
    const shown = [...answer.headers.keys()].filter((name) => !framing.includes(name));
    expect(says(path, method, answer.status)).toEqual(expect.arrayContaining(shown));
    return answer;
  };
  const execute = "/api/v1/engines/{engine_id}/execute";
  const submit = (headers: Record<string, string> = {}) =>
    check(
      execute,
      api.ask("/api/v1/engines/echo/execute", { json: { input: 1 }, headers }),
      "post",
    );
  const key = { "Idempotency-Key": "documented" };
  const accepted = await submit(key);
  const address = accepted.headers.get("location")!;
  const one = "/api/v1/executions/{execution_id}";
  const unfinished = await check(one, api.ask(address));
  const headers = { "If-None-Match": unfinished.headers.get("etag")! };
  expect((await check(one, api.ask(address, { headers }))).status).toBe(304);
  await api.finish(address.split("/").at(-1)!);
  expect((await submit({ ...key, Prefer: "wait=1" })).status).toBe(200);
  await check(`${one}/cancel`, api.ask(`${address}/cancel`, { method: "POST" }), "post");
  await check("/api/v1/keys", api.ask("/api/v1/keys", { json: { name: "x" } }), "post");
  await check("/api/v1/engines", api.ask("/api/v1/engines", { as: null }));
  const spent = await api.program({ rate_limit: 1 });
  await check("/api/v1/engines", api.ask("/api/v1/engines", { as: spent }));
  expect((await check("/api/v1/engines", api.ask("/api/v1/engines", { as: spent }))).status).toBe(
    429,
  );
  await check("/healthz", ask("/healthz"));
  await check("/healthz", ask("/healthz?x=1"));
  await check("/docs/{asset}", ask("/docs/none"));
});

test("the page works offline: all that it loads comes from this server", async () => {
  const page = await ask("/docs");
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  const html = await page.text();
  expect(html).not.toMatch(/https?:\/\//);
  const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  expect(parts).toHaveLength(4);
  for (const part of parts) {
    const response = await ask(part);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(100);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  }
  const start = await (await ask("/docs/start.js")).text();
  expect(start).toContain('url: "/openapi.json"');
  for (const other of ["package.json", "index.html", "..%2fpackage.json", "%2e%2e/healthz"]) {
    expect([200, 404]).toContain((await ask(`/docs/${other}`)).status);
    expect(await (await ask(`/docs/${other}`)).text()).not.toContain("swagger-ui-dist");
  }
});

test("probes are public", async () => {
  expect(await (await ask("/healthz")).json()).toEqual({ status: "ok" });
  expect(await (await ask("/readyz")).json()).toEqual({
    status: "ready",
    reasons: [],
    degraded: [],
  });
  expect((await ask("/metrics")).status).toBe(404);
});
