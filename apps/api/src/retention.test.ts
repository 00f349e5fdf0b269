import type { Execution, Problem } from "@tl-engine/contract";
import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { silentLog } from "@tl-engine/shared/log/log.ts";
import pg from "pg";
import { expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { startApi } from "./start-api.ts";
import { planeKey } from "./testing/api.ts";
import { testEngines } from "./testing/engines.ts";

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

test("two processes with a short retention: what is finished leaves, is told by its tombstone, and then not at all", async () => {
  const database = await freshDatabase();
  await publish(database.url);
  const env = {
    PORT: "0",
    TL_METRICS_PORT: "0",
    TL_PLANE_API_KEY: planeKey,
    TL_DRAIN_SECONDS: "0.2",
    TL_RECONCILE_INTERVAL_MS: "50",
    DATABASE_URL: database.url,
  };
  // Shorter than anybody may configure it.
  const config = { ...loadApiConfig(env), retentionMs: 700, tombstoneRetentionMs: 4_000 };
  const apis = [
    await startApi({ config, log: silentLog }),
    await startApi({ config, log: silentLog }),
  ] as const;
  try {
    await Promise.all(apis.map((api) => api.started));
    const ask = async (which: 0 | 1, path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${apis[which].port}/api/v1${path}`, {
        ...init,
        headers: {
          "X-API-Key": planeKey,
          "Content-Type": "application/json",
          "Idempotency-Key": "once",
        },
      });
    const execute = (which: 0 | 1) =>
      ask(which, "/engines/echo/execute", { method: "POST", body: '{"input":1}' });
    const { execution_id: id } = (await (await execute(0)).json()) as Execution;
    // It is not finished, and so it stays, for longer than the time of retention.
    const { rows } = await query(database.url, "SELECT pg_sleep(1)");
    expect(rows).toHaveLength(1);
    expect((await ask(1, `/executions/${id}`)).status).toBe(200);

    expect((await ask(0, `/executions/${id}/cancel`, { method: "POST" })).status).toBe(200);
    const status = async () => (await ask(1, `/executions/${id}`)).status;
    await expect.poll(status, { timeout: 15_000, interval: 20 }).toBe(410);
    const gone = (await (await execute(1)).json()) as Problem;
    expect(gone).toMatchObject({
      code: "execution_purged",
      tombstone: { execution_id: id, status: "canceled" },
    });
    await expect.poll(status, { timeout: 15_000, interval: 20 }).toBe(404);
    // Its key is kept for its 24 h, and stands for no second one.
    expect((await execute(0)).status).toBe(410);

    const figures = await Promise.all(
      apis.map(async ({ metricsPort }) =>
        (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
      ),
    );
    const purged = (kind: string) =>
      figures
        .map((text) => new RegExp(`purged_total\\{kind="${kind}",app="api"\\} (\\d+)`).exec(text))
        .reduce((sum, found) => sum + Number(found?.[1] ?? 0), 0);
    expect(purged("execution")).toBe(1);
    expect(purged("tombstone")).toBe(1);
  } finally {
    await Promise.all(apis.map((api) => api.stop()));
    await database.drop();
  }
});

async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}
