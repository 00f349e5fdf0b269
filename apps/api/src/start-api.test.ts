import type { Ready } from "@tl-engine/contract";
import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { createLog, silentLog } from "@tl-engine/shared/log/log.ts";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import {
  freshDatabase,
  hasRedis,
  startPrivatePostgres,
  startPrivateRedis,
} from "../../../test/services.ts";
import { startApi, type RunningApi } from "./start-api.ts";
import { planeKey, soon } from "./testing/api.ts";
import { testEngines } from "./testing/engines.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function start(env: Record<string, string>, log = silentLog): Promise<RunningApi> {
  const config = loadApiConfig({
    PORT: "0",
    TL_METRICS_PORT: "0",
    TL_PLANE_API_KEY: planeKey,
    TL_DRAIN_SECONDS: "0.5",
    ...env,
  });
  const api = await startApi({ config, log });
  cleanUps.push(() => api.stop());
  return api;
}

/** As a worker that is long gone would have left it. */
async function publish(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const { id, version, title, input_schema, policy } of testEngines) {
    await client.query(
      `INSERT INTO engine_versions (engine_id, version, title, input_schema, output_schema, policy, fingerprint)
       VALUES ($1, $2, $3, $4, '{}', $5, 'x')`,
      [id, version, title, JSON.stringify(input_schema), JSON.stringify(policy)],
    );
  }
  await client.end();
}

interface Init {
  method?: string;
  body?: string;
  headers?: Record<string, string>;
}
const ask = async (api: RunningApi, path: string, init: Init = {}) =>
  fetch(`http://127.0.0.1:${api.port}${path}`, {
    ...init,
    headers: { "X-API-Key": planeKey, ...init.headers },
  });
const submit = async (api: RunningApi) =>
  ask(api, "/api/v1/engines/echo/execute", {
    method: "POST",
    body: '{"input":1}',
    headers: { "Content-Type": "application/json" },
  });
const ready = async (api: RunningApi) => (await (await ask(api, "/readyz")).json()) as Ready;

test("started before Postgres and its migrations: waits, not ready; ready once they are there", async () => {
  const postgres = await startPrivatePostgres();
  cleanUps.push(() => postgres.remove());
  await postgres.stop();
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: "info", app: "api", destination });
  const api = await start({ DATABASE_URL: postgres.url }, log);
  expect((await ask(api, "/healthz")).status).toBe(200);
  expect(await ready(api)).toEqual({ status: "not_ready", reasons: ["postgres"], degraded: [] });
  expect((await submit(api)).status).toBe(503);
  await postgres.start();
  await expect
    .poll(async () => (await ready(api)).reasons, { timeout: 10_000 })
    .toEqual(["migrations"]);
  expect((await submit(api)).status).toBe(503);
  expect(lines.join("")).toContain('"msg":"waiting for migrations: npm run migrate"');
  // Whoever looks for what is not there yet has nothing to add.
  await expect.poll(() => tellOfCatalogue(postgres.url), { timeout: 10_000 }).toBeGreaterThan(0);
  await migrate(postgres.url);
  await expect
    .poll(() => ready(api), { timeout: 10_000 })
    .toEqual({ status: "ready", reasons: [], degraded: [] });
  await api.started;
  await publish(postgres.url);
  await expect.poll(async () => (await submit(api)).status, { timeout: 10_000 }).toBe(202);
  expect(lines.filter((line) => line.includes("42P01"))).toEqual([]);
  // The tests' servers do without fsync: said once it works, with what mends it.
  await expect.poll(() => lines.join("")).toContain('"finding":"postgres.fsync","remedy":"psql');
});

/** Says that the catalogue has changed. @returns how many statements have failed in this database so far */
async function tellOfCatalogue(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("NOTIFY tl_signal_catalogue");
    const { rows } = await client.query<{ failed: number }>(
      "SELECT xact_rollback::int AS failed FROM pg_stat_database WHERE datname = current_database()",
    );
    return rows[0]?.failed ?? 0;
  } finally {
    await client.end();
  }
}

test("Postgres away: 503 with Retry-After within 3 s, nothing worse; back: as before", async () => {
  const postgres = await startPrivatePostgres();
  cleanUps.push(() => postgres.remove());
  await migrate(postgres.url);
  await publish(postgres.url);
  const api = await start({ DATABASE_URL: postgres.url });
  await api.started;
  expect((await submit(api)).status).toBe(202);
  await postgres.stop();
  const paths = [
    "/api/v1/executions",
    "/api/v1/keys",
    "/api/v1/engines/metrics",
    "/api/v1/engines/none",
  ];
  for (const asked of [submit(api), ...paths.map((path) => ask(api, path))]) {
    const since = performance.now();
    const response = await asked;
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(response.status).toBe(503);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("retry-after")).not.toBeNull();
  }
  expect((await ready(api)).reasons).toEqual(["postgres"]);
  await postgres.start();
  await expect.poll(async () => (await submit(api)).status, { timeout: 10_000 }).toBe(202);
});

describe.skipIf(!hasRedis())("with Redis", () => {
  test("Redis away: submits go on, shown as degraded; back: whole again", async () => {
    const redis = await startPrivateRedis();
    cleanUps.push(() => redis.stop());
    const database = await freshDatabase();
    cleanUps.push(() => database.drop());
    await publish(database.url);
    const api = await start({ DATABASE_URL: database.url, REDIS_URL: redis.url });
    await api.started;
    expect((await submit(api)).status).toBe(202);
    await expect
      .poll(() => ready(api), soon)
      .toEqual({ status: "ready", reasons: [], degraded: [] });
    await redis.stop();
    for (let i = 0; i < 5; i++) {
      const since = performance.now();
      const response = await submit(api);
      expect(response.status).toBe(202);
      expect(response.headers.get("x-ratelimit-remaining")).not.toBeNull();
      expect(performance.now() - since).toBeLessThan(2_000);
    }
    expect(await ready(api)).toEqual({ status: "ready", reasons: [], degraded: ["redis"] });
    expect((await ask(api, "/api/v1/executions")).status).toBe(200);
    await redis.start();
    await expect.poll(() => ready(api), { timeout: 10_000 }).toMatchObject({ degraded: [] });
  });
});

test("a stop is seen as not ready first, and answers those who wait", async () => {
  const database = await freshDatabase();
  await publish(database.url);
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    app: "api",
    destination: { write: (line) => void lines.push(line) },
  });
  const api = await start({ DATABASE_URL: database.url, TL_DRAIN_SECONDS: "30" }, log);
  await api.started;
  const accepted = (await (await submit(api)).json()) as { execution_id: string };
  const held = ask(api, `/api/v1/executions/${accepted.execution_id}?wait=60`);
  await expect.poll(() => lines.filter((line) => line.includes('"answered"')).length, soon).toBe(1);
  const metrics = await (await fetch(`http://127.0.0.1:${api.metricsPort}/metrics`)).text();
  expect(metrics).toContain(
    'tl_http_requests_total{method="POST",route="/api/v1/engines/{engine_id}/execute",status="202",app="api"} 1',
  );
  const stopped = api.stop();
  const late = await ask(api, "/readyz");
  expect(late.status).toBe(503);
  expect((await late.json()) as Ready).toMatchObject({ reasons: ["shutting_down"] });
  expect((await held).status).toBe(200);
  expect((await submit(api)).status).toBe(202);
  await stopped;
  cleanUps.length = 0;
  await database.drop();
  expect(lines.join("")).not.toContain(planeKey);
});

test("a taken port stops the start, and leaves nothing open", async () => {
  const database = await freshDatabase();
  const first = await start({ DATABASE_URL: database.url });
  await expect(start({ DATABASE_URL: database.url, PORT: String(first.port) })).rejects.toThrow(
    "EADDRINUSE",
  );
  await first.stop();
  cleanUps.length = 0;
  await database.drop();
});
