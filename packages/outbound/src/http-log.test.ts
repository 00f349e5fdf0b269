import { afterEach, describe, expect, it } from "vitest";

import { createOutbound } from "./outbound.ts";
import { parseAllowList } from "./allow-list.ts";
import { type Connection, type OutboundCall } from "./ports.ts";
import { startHttp } from "./test-support/loopback-server.ts";
import { reachConnection } from "./test-support/reach-connection.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** Answers with what was sent; `/v2/away/…` redirects there. */
async function echo(facts: Partial<Connection> = {}) {
  const server = await startHttp((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const away = /^\/v2\/away(\/.*)$/.exec(request.url ?? "")?.[1];
      if (away) response.setHeader("location", away);
      response.statusCode = away ? 307 : 200;
      response.setHeader("set-cookie", "session=s3cret");
      response.setHeader("x-request-id", "r-1");
      response.setHeader("content-type", request.headers["content-type"] ?? "text/plain");
      response.end(Buffer.concat(chunks));
    });
  });
  const reached = reachConnection(server, facts);
  closing.push(
    () => reached.outbound.close(),
    () => server.close(),
  );
  return { server, ...reached };
}
const only = (calls: readonly OutboundCall[]): OutboundCall => {
  expect(calls).toHaveLength(1);
  return calls[0] as OutboundCall;
};

describe("a row", () => {
  it("tells the parts of its time that took place", async () => {
    const { client, scope } = await echo();
    await client.request("/x");
    await client.request("/x");
    const [fresh, kept] = scope.calls;
    expect(fresh).toMatchObject({ dns_ms: null, tls_ms: null, connect_ms: expect.any(Number) });
    expect(kept).toMatchObject({ dns_ms: null, tls_ms: null, connect_ms: null });
    for (const row of scope.calls) expect(row.first_byte_ms).toEqual(expect.any(Number));
  });

  it("tells of names how long they took to resolve", async () => {
    const { server } = await echo();
    const outbound = createOutbound({
      allow: parseAllowList("api.test"),
      resolver: { resolve: async () => ["127.0.0.1"] },
    });
    closing.push(() => outbound.close());
    const scope = createTestScope();
    await outbound.http(scope).request(`http://api.test:${server.port}/`);
    expect(only(scope.calls).dns_ms).toEqual(expect.any(Number));
  });

  it("shows harmless headers, and no credential in any member", async () => {
    const auth = { type: "api_key", in: "header", name: "X-Key", value: "s3cret-key" } as const;
    const { client, scope } = await echo({ auth, headers: { "x-tenant": "acme" } });
    const options = { method: "POST", json: { a: 1 }, headers: { cookie: "s3cret" } };
    await client.request("/x?token=s3cret", options);
    const row = only(scope.calls);
    expect(row.request_headers).toEqual({
      accept: "*/*",
      "accept-encoding": "gzip, br, zstd, deflate",
      "user-agent": "tl-engine",
      "content-type": "application/json",
      "idempotency-key": "0199-execution/1",
      cookie: "[6 characters]",
      "x-tenant": "[4 characters]",
      "x-key": "[redacted]",
    });
    expect(row.response_headers).toMatchObject({
      "content-type": "application/json",
      "x-request-id": "r-1",
      "set-cookie": "[14 characters]",
    });
    expect(JSON.stringify(row)).not.toContain("s3cret");
  });

  it("has no bodies and nothing to send again unless the connection says so", async () => {
    const { client, scope } = await echo();
    await client.request("/x", { method: "POST", body: "hello" });
    expect(only(scope.calls)).toMatchObject({
      request_body: null,
      response_body: null,
      resend: null,
    });
  });
});

describe("a connection that logs bodies", () => {
  const log = { bodies: true, maxBodyBytes: 64 };
  const auth = { type: "bearer", token: "s3cret-token" } as const;

  it("has them, redacted, and what it takes to send the call again", async () => {
    const { client, scope } = await echo({ log, auth });
    const json = { password: "hunter2", said: "s3cret-token" };
    await client.request("/x?a=1", { method: "POST", json, headers: { "x-mine": "1" } });
    const row = only(scope.calls);
    const shown = '{"password":"[redacted]","said":"[redacted]"}';
    expect(row).toMatchObject({ request_body: shown, response_body: shown });
    expect(row.resend).toEqual({
      method: "POST",
      url: "/x?a=1",
      headers: { "x-mine": "1", "content-type": "application/json" },
      body_base64: Buffer.from(JSON.stringify(json)).toString("base64"),
    });
    // What the engine itself sent is in `resend`, which is kept encrypted; what the connection added is nowhere.
    expect(JSON.stringify({ ...row, resend: null })).not.toMatch(/s3cret|hunter2/);
    expect(JSON.stringify(row.resend?.headers)).not.toContain("s3cret");
  });

  it.each(["/x", "/x?what=is?&b=1"])(
    "hides a key of the query of %s in every spelling",
    async (path) => {
      const server = await startHttp((request, response) => {
        const query = new URL(request.url ?? "", "http://a.test").searchParams.get("key") ?? "";
        response.end(`${request.url} ${encodeURIComponent(query)} ${query}`);
      });
      const auth = { type: "api_key", in: "query", name: "key", value: "s3+cret /k=" } as const;
      const whole = { bodies: true, maxBodyBytes: 1024 };
      const { client, scope, outbound } = reachConnection(server, { log: whole, auth });
      closing.push(
        () => outbound.close(),
        () => server.close(),
      );
      const answer = await client.request(path);
      expect(answer.text()).toContain("s3+cret /k=");
      const { response_body } = only(scope.calls);
      expect(response_body).toMatch(/\[redacted\] \[redacted\] \[redacted\]$/);
      expect(response_body).not.toContain("cret");
    },
  );

  it("keeps the key by which the engine says what must not be done twice", async () => {
    const { client, scope } = await echo({ log });
    const options = { method: "POST", json: 1, idempotencyKey: "order-17" };
    await client.request("/x", options);
    expect(only(scope.calls).resend?.headers).toEqual({
      "idempotency-key": "order-17",
      "content-type": "application/json",
    });
  });

  it("has nothing to send again of what it cut", async () => {
    const { client, scope } = await echo({ log });
    await client.request("/x", { method: "POST", body: "x".repeat(65) });
    const row = only(scope.calls);
    expect(row.request_body).toBe(`${"x".repeat(64)}… [1 bytes more]`);
    expect(row.resend).toBeNull();
  });

  it("can send again the engine's request alone, not what a redirect made of it", async () => {
    const { client, scope } = await echo({ log });
    await client.request("/away/v2/there", { method: "PUT", body: "x" });
    expect(scope.calls.map((row) => row.resend?.url ?? null)).toEqual(["/away/v2/there", null]);
  });

  it("takes a request without a body, and bytes", async () => {
    const { client, scope } = await echo({ log });
    await client.request("/x");
    await client.request("/x", { method: "PUT", body: Uint8Array.of(0, 255) });
    expect(scope.calls).toMatchObject([
      { request_body: null, resend: { method: "GET", headers: {}, body_base64: null } },
      { request_body: "base64:AP8=", resend: { body_base64: "AP8=" } },
    ]);
  });
});

describe("a connection whose paths are secrets", () => {
  const log = { bodies: false, maxBodyBytes: 64, hidePaths: true };

  it("shows them in no row, no answer and no error, redirects included", async () => {
    const { client, scope } = await echo({ log, paths: ["/s3cret/**", "/away/**"] });
    const answer = await client.request("/s3cret/hook");
    expect(answer.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\[hidden\]$/);
    await client.request("/away/v2/s3cret/there", { method: "PUT", body: "x" }).catch(() => null);
    const left = await client.request("/away/v2/s3cret/there", { redirect: "none" });
    expect(JSON.stringify(left.headers)).not.toContain("s3cret/there");
    const errors = [
      await client.request("/s3cret/hook", { acceptStatus: [500] }).catch(String),
      await client.request("/not-allowed/s3cret").catch(String),
    ];
    expect(errors).toEqual([
      expect.stringMatching(/\/\[hidden\] answered 200$/),
      expect.stringMatching(/does not allow the path \/\[hidden\]$/),
    ]);
    expect(scope.calls.map((row) => row.path)).toContain("/[hidden]");
    expect(JSON.stringify([scope.calls, answer.url, errors])).not.toContain("s3cret");
  });
});
