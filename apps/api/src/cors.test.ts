import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(() => api.close());

const origin = "https://app.example.com";
const preflight = (path: string, from: string) =>
  api.ask(path, {
    method: "OPTIONS",
    as: null,
    headers: {
      Origin: from,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    },
  });
const corsHeaders = (response: Response) =>
  [...response.headers.keys()].filter((name) => name.startsWith("access-control"));

test("a preflight of a configured origin is answered, costs nothing, and knows no caller", async () => {
  const response = await preflight("/api/v1/engines/echo/execute", origin);
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe(origin);
  expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  expect(response.headers.get("access-control-allow-headers")).toMatch(
    /Authorization.*Content-Type.*Idempotency-Key/,
  );
  expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  expect(response.headers.get("vary")).toContain("Origin");
  expect(response.headers.get("x-ratelimit-limit")).toBeNull();
});

test("other origins get no leave, not even names that look alike", async () => {
  for (const from of [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://app.example.com:8443",
    "http://app.example.com",
    "null",
  ]) {
    const response = await preflight("/api/v1/engines/echo/execute", from);
    expect(response.status).toBe(204);
    expect(corsHeaders(response)).toEqual([]);
    expect(corsHeaders(await api.ask("/api/v1/engines", { headers: { Origin: from } }))).toEqual(
      [],
    );
  }
});

test("answers and refusals to a configured origin can be read, with the headers that matter", async () => {
  for (const as of [undefined, null]) {
    const response = await api.ask("/api/v1/engines", {
      headers: { Origin: origin },
      ...(as === null && { as }),
    });
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    expect(response.headers.get("access-control-expose-headers")?.split(", ")).toEqual([
      "Location",
      "Retry-After",
      "ETag",
      "X-Request-Id",
      "X-RateLimit-Limit",
      "X-RateLimit-Remaining",
      "X-RateLimit-Reset",
      "RateLimit",
      "RateLimit-Policy",
      "Idempotency-Replayed",
      "Preference-Applied",
    ]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("vary")).toBe("Authorization, X-API-Key, Origin");
  }
});

test("a preflight of a path that is not there is a 404", async () => {
  expect((await preflight("/api/v1/nothing", origin)).status).toBe(404);
});

test("every answer has an id: the caller's own where it is safe", async () => {
  const idOf = async (given: string) =>
    (await api.ask("/healthz", { as: null, headers: { "X-Request-Id": given } })).headers.get(
      "x-request-id",
    );
  expect(await idOf("abc-123_X.y:z")).toBe("abc-123_X.y:z");
  for (const bad of ["a b", "<script>", "x".repeat(129), 'a"b', ""]) {
    expect(await idOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
  }
});
