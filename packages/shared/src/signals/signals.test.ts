import pg from "pg";
import { describe, expect, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis } from "../../../../test/services.ts";
import { openSignals } from "./open-signals.ts";
import type { Signals } from "./signals.ts";

/** Publishes until it is heard: a listener needs a moment to be there, and signals may be lost by design. */
async function heard(publisher: Signals, listener: Signals, payload: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const again = setInterval(() => publisher.publish("settled", payload), 20);
    listener.subscribe("settled", (text) => {
      if (text !== payload) return;
      clearInterval(again);
      resolve();
    });
  });
}

describe.each(["postgres", "redis"] as const)("signals on %s", (backend) => {
  test.skipIf(backend === "redis" && !hasRedis())(
    "reach the other process on their own channel, also after its connection was cut",
    async () => {
      const database = await freshDatabase();
      const pool = new pg.Pool({ connectionString: database.url, max: 2 });
      const redisUrl = backend === "redis" ? await freshRedis() : null;
      const onError = (): void => {};
      const open = () => openSignals({ redisUrl, databaseUrl: database.url, pool, onError });
      const [publisher, listener] = [open(), open()];
      const keys: string[] = [];
      listener.subscribe("keys", (payload) => void keys.push(payload));
      await heard(publisher, listener, "a,b");
      if (backend === "postgres") {
        await pool.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tl-signals'",
        );
      }
      await heard(publisher, listener, "c");
      expect(keys).toEqual([]);
      await publisher.close();
      await listener.close();
      await pool.end();
      await database.drop();
    },
  );

  test.skipIf(backend === "redis")("a long list arrives whole, in parts", async () => {
    const database = await freshDatabase();
    const pool = new pg.Pool({ connectionString: database.url, max: 2 });
    const signals = openSignals({
      redisUrl: null,
      databaseUrl: database.url,
      pool,
      onError: () => {},
    });
    await heard(signals, signals, "ready");
    const ids = Array.from({ length: 500 }, (_, n) => `id-${n}-${"x".repeat(40)}`);
    const arrived = new Set<string>();
    await new Promise<void>((resolve) => {
      signals.subscribe("settled", (payload) => {
        for (const id of payload.split(",")) if (id.startsWith("id-")) arrived.add(id);
        if (arrived.size === ids.length) resolve();
      });
      signals.publish("settled", ids.join(","));
    });
    expect(ids.filter((id) => !arrived.has(id))).toEqual([]);
    await signals.close();
    await pool.end();
    await database.drop();
  });
});
