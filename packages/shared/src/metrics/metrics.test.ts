import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Ready } from "@tl-engine/contract";
import { afterEach, expect, test } from "vitest";
import { createApiMetrics } from "./api-metrics.ts";
import { createReconcilerMetrics } from "./reconciler-metrics.ts";
import { createMetrics } from "./registry.ts";
import { MetricsPortTakenError, serveMetrics, type ServeMetricsOptions } from "./serve-metrics.ts";
import { createWorkerMetrics } from "./worker-metrics.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const registry = createMetrics("worker");
createWorkerMetrics(registry).attempts.inc({ engine: "echo", outcome: "succeeded" });
createReconcilerMetrics(registry);

async function serve(options: Partial<ServeMetricsOptions> = {}) {
  const errors: unknown[] = [];
  const server = await serveMetrics({
    port: 0,
    defaultPort: 0,
    host: "127.0.0.1",
    registry,
    ready: async () => ({ status: "ready", reasons: [], degraded: [] }),
    onError: (error) => void errors.push(error),
    ...options,
  });
  closers.push(() => server.close());
  const ask = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { server, ask, errors };
}

/** Somebody else's server. */
async function takePort(): Promise<number> {
  const server: Server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

test("every figure is under tl_, in base units, and says whose it is", async () => {
  const { ask } = await serve();
  const response = await ask("/metrics");
  expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
  const text = await response.text();
  expect(text).toContain('tl_attempts_total{engine="echo",outcome="succeeded",app="worker"} 1');
  expect(text).toContain("tl_process_resident_memory_bytes");
  for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) expect(name).toMatch(/^tl_/);
});

test("an API and a worker in one process have figures of their own", async () => {
  const api = createMetrics("api");
  createApiMetrics(api).httpRequests.inc({ method: "GET", route: "/healthz", status: 200 });
  expect(await api.metrics()).not.toContain("tl_attempts_total");
  expect(await registry.metrics()).not.toContain("tl_http_requests_total");
});

test("the probes say what the process says", async () => {
  let state: Ready = { status: "not_ready", reasons: ["the queue is away"], degraded: [] };
  let lives = true;
  const { ask } = await serve({ ready: async () => state, alive: () => lives });
  const notReady = await ask("/readyz");
  expect([notReady.status, await notReady.json()]).toEqual([503, state]);
  state = { status: "ready", reasons: [], degraded: ["redis"] };
  const ready = await ask("/readyz?from=probe");
  expect([ready.status, await ready.json()]).toEqual([200, state]);
  expect((await ask("/healthz")).status).toBe(200);
  lives = false;
  expect((await ask("/healthz")).status).toBe(503);
});

test("nothing else is there, and what goes wrong stays inside", async () => {
  const { ask, errors } = await serve({
    ready: async () => {
      throw new Error("hunter2");
    },
  });
  expect((await ask("/")).status).toBe(404);
  expect((await ask("/metrics", { method: "POST" })).status).toBe(405);
  expect((await ask("/metrics", { method: "HEAD" })).status).toBe(200);
  const failed = await ask("/readyz");
  expect(failed.status).toBe(500);
  expect(await failed.text()).not.toContain("hunter2");
  expect(errors).toHaveLength(1);
});

test("a default port that is taken: the next free one", async () => {
  const taken = await takePort();
  const { server, ask } = await serve({ port: null, defaultPort: taken });
  expect(server.port).toBeGreaterThan(taken);
  expect((await ask("/healthz")).status).toBe(200);
});

test("a port that was asked for and is taken: an error that says what to do", async () => {
  const taken = await takePort();
  const refused = serve({ port: taken });
  await expect(refused).rejects.toThrow(MetricsPortTakenError);
  await expect(refused).rejects.toThrow(`TL_METRICS_PORT ${taken} is taken`);
});
