import type { EngineDetail, EngineMetrics, EngineSummary, Problem } from "@tl-engine/contract";
import { engineMetricsListSchema, engineSchema, engineStatusListSchema } from "@tl-engine/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

test("the list pages by id", async () => {
  const all = (await (await api.ask("/api/v1/engines")).json()) as { engines: EngineSummary[] };
  expect(all).toEqual({
    engines: [
      { id: "echo", title: "The engine echo", description: null, versions: [1], state: "active" },
      {
        id: "resize",
        title: "The engine resize",
        description: null,
        versions: [1, 2],
        state: "active",
      },
    ],
    next_cursor: null,
  });
  const first = (await (await api.ask("/api/v1/engines?limit=1")).json()) as {
    engines: EngineSummary[];
    next_cursor: string;
  };
  expect(first.engines.map((engine) => engine.id)).toEqual(["echo"]);
  const second = await api.ask(`/api/v1/engines?limit=1&cursor=${first.next_cursor}`);
  expect(await second.json()).toEqual({ engines: all.engines.slice(1), next_cursor: null });
});

test("an engine shows its schemas, defaults and ceilings, of the version asked for", async () => {
  const newest = (await (await api.ask("/api/v1/engines/resize")).json()) as EngineDetail;
  expect(engineSchema.parse(newest)).toEqual(newest);
  expect(newest).toMatchObject({
    version: 2,
    versions: [1, 2],
    input_schema: { required: ["url"] },
    defaults: {
      timeout: { default: "1m", max: "2m" },
      ttl: { default: "1d", max: "1d" },
      max_attempts: { default: 3, max: 5 },
      backoff: { initial: "1s", factor: 2, max: "5m" },
      concurrency: null,
      isolation: "inline",
    },
    example: null,
  });
  const older = (await (await api.ask("/api/v1/engines/resize@1")).json()) as EngineDetail;
  expect(older).toMatchObject({ version: 1, defaults: { ttl: { max: "30d" } } });
  for (const path of ["none", "resize@3", "resize@0", "resize@1@2", "RESIZE", "a b", "%00"]) {
    const response = await api.ask(`/api/v1/engines/${path}`);
    expect(response.status).toBe(404);
    expect(((await response.json()) as Problem).code).toBe("engine_not_found");
  }
});

test("the state, for one engine and for all", async () => {
  const one = await (await api.ask("/api/v1/engines/echo@1/status")).json();
  expect(one).toMatchObject({ id: "echo", state: "active", queued: 0, running: 0, workers: 1 });
  const all = await (await api.ask("/api/v1/engines/status")).json();
  expect(engineStatusListSchema.parse(all)).toEqual(all);
  expect((await api.ask("/api/v1/engines/none/status")).status).toBe(404);
  expect((await api.ask("/api/v1/engines/echo/status?wait=1")).status).toBe(400);
  expect((await api.ask("/api/v1/engines/none/status?wait=1")).status).toBe(404);
});

test("figures come from what happened; engines asked for are there with zeros", async () => {
  for (let i = 0; i < 3; i++) {
    await api.ask("/api/v1/engines/echo/execute", { json: { input: i } });
  }
  const done = await api.ask("/api/v1/engines/echo/execute", { json: { input: 3 } });
  await api.finish(((await done.json()) as { execution_id: string }).execution_id);
  const response = await api.ask("/api/v1/engines/metrics?engine=echo,not-yet");
  const answer = (await response.json()) as { engines: EngineMetrics[] };
  expect(engineMetricsListSchema.parse(answer)).toEqual(answer);
  expect(answer.engines).toMatchObject([
    {
      id: "echo",
      queued: 3,
      runnable: 3,
      running: 0,
      workers: 1,
      slots: 10,
      desired_workers: 1,
      run_seconds: { p50: expect.any(Number) },
      totals: { accepted: 4, succeeded: 1, failed: 0, canceled: 0, expired: 0 },
    },
    {
      id: "not-yet",
      queued: 0,
      desired_workers: 0,
      run_seconds: { p50: null },
      totals: { accepted: 0, succeeded: 0 },
    },
  ]);

  const text = await api.ask("/api/v1/engines/metrics?engine=echo,not-yet", {
    headers: { Accept: "text/plain;version=0.0.4;q=0.9, */*;q=0.1" },
  });
  expect(text.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = (await text.text()).trimEnd().split("\n");
  expect(lines).toContain('tl_engine_queued{engine="echo"} 3');
  expect(lines).toContain('tl_engine_queued{engine="not-yet"} 0');
  expect(lines).toContain('tl_engine_executions_total{engine="echo",outcome="succeeded"} 1');
  for (const line of lines) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) \w+ .+|\w+\{engine="[a-z-]+"(,\w+="[^"]+")?\} -?[0-9.e+-]+)$/,
    );
  }
  for (const query of ["engine=", "engine=A", "engine=echo@1", "engine=a,,b", "engines=echo"]) {
    expect((await api.ask(`/api/v1/engines/metrics?${query}`)).status).toBe(400);
  }
});
