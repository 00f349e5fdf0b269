import {
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  type InputOf,
} from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { describe, expect, it } from "vitest";

import { webhookDeliverContract } from "./contract.ts";
import webhookDeliver from "./engine.ts";
import { nextTryInMs } from "./next-try.ts";

type Input = InputOf<typeof webhookDeliverContract>;
interface Asked {
  connection: string | undefined;
  url: string;
  options: HttpRequestOptions | undefined;
}

// The door itself is proved in packages/outbound and, with callers' endpoints, in e2e. Here stands its port.
function run(input: Input, answer: Partial<HttpResponse> | Error, attempt = 1) {
  const asked: Asked[] = [];
  const http = (connection?: string): HttpClient => ({
    async request(url, options) {
      asked.push({ connection, url, options });
      if (answer instanceof Error) throw answer;
      const bytes = new Uint8Array(0);
      const facts = { url, redirects: 0, durationMs: 7, bytes, text: () => "", json: () => null };
      return { status: 200, headers: {}, ...facts, ...answer };
    },
  });
  return { asked, output: runEngine(webhookDeliver, input, { attempt, clients: { http } }) };
}

const message = { type: "invoice.paid", data: { invoice: "A-17" } };
const endpoint = `whe_${"a".repeat(24)}`;

describe("the message", () => {
  it("is one POST through the connection, under one id in every attempt", async () => {
    const bodies = [];
    for (const attempt of [1, 2]) {
      const { asked, output } = run({ connection: "hook", path: "/in", ...message }, {}, attempt);
      const { webhook_id: id } = await output;
      expect(asked).toMatchObject([
        {
          connection: "hook",
          url: "/in",
          options: { method: "POST", redirect: "none", idempotencyKey: id, idempotent: true },
        },
      ]);
      bodies.push(asked[0]?.options?.body);
    }
    expect(bodies[0]).toBe(bodies[1]);
    expect(JSON.parse(String(bodies[0]))).toMatchObject(message);
  });

  it("carries the id and the time that were given", async () => {
    const timestamp = "2026-01-02T03:04:05Z";
    const { asked, output } = run(
      { endpoint, id: "msg_1", timestamp, ...message },
      { status: 204 },
    );
    expect(await output).toEqual({ webhook_id: "msg_1", status: 204, duration_ms: 7 });
    expect(asked[0]).toMatchObject({ connection: endpoint, url: "" });
    expect(JSON.parse(String(asked[0]?.options?.body))).toEqual({ ...message, timestamp });
  });

  it.each([
    [message],
    [{ connection: "hook", endpoint, ...message }],
    [{ endpoint, path: "/in", ...message }],
    [{ endpoint: "whe_1", ...message }],
    [{ connection: "hook", path: "//other.example", ...message }],
    [{ connection: "hook", id: "a.b", ...message }],
    [{ connection: "hook", type: "", data: 1 }],
  ])("is not sent for %j", async (input) => {
    const { asked, output } = run(input, {});
    await expect(output).rejects.toMatchObject({ code: "input_invalid", retryable: false });
    expect(asked).toEqual([]);
  });
});

describe("an answer", () => {
  it.each([301, 302, 307, 308, 410])("of %i ends it", async (status) => {
    const { output } = run({ endpoint, ...message }, { status });
    await expect(output).rejects.toMatchObject({
      code: "upstream_error",
      retryable: false,
      details: { status },
    });
  });

  it.each([400, 404, 429, 500, 503])("of %i is tried again by the schedule", async (status) => {
    const { output } = run({ endpoint, ...message }, { status }, 2);
    const error = await output.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "upstream_error", retryable: true, details: { status } });
    const { retryAfterMs } = error as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(300_000);
    expect(retryAfterMs).toBeLessThanOrEqual(360_000);
  });

  it("may ask for more time", async () => {
    const headers = { "retry-after": "600" };
    const error = await run({ endpoint, ...message }, { status: 503, headers }).output.catch(
      (reason: unknown) => reason,
    );
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(600_000);
  });

  it("that never came is tried again; what was refused or parked is left to the worker", async () => {
    const failed = (facts: object) => Object.assign(new Error("no"), facts);
    for (const code of ["connection_failed", "timeout"]) {
      const { output } = run({ endpoint, ...message }, failed({ code, retryable: false }));
      await expect(output).rejects.toMatchObject({ retryable: true, code: "connection_failed" });
    }
    for (const error of [
      failed({ code: "outbound_refused", retryable: false }),
      failed({ code: "connection_failed", park: { reason: "circuit_open" } }),
    ]) {
      await expect(run({ endpoint, ...message }, error).output).rejects.toBe(error);
    }
  });
});

it("the schedule is that of callbacks", () => {
  const seconds = Array.from({ length: 9 }, (_, n) => nextTryInMs(n + 1, undefined, 0) / 1000);
  expect(seconds).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 50_400, 50_400]);
});
