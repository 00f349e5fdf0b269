import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freshDatabase } from "../../../../test/services.ts";
import { createBreakers } from "../breakers/breakers.ts";
import { countOutcomes, ensureCircuits } from "../breakers/count-outcomes.ts";
import { putBackOfLostProcesses } from "../executions/lost-processes.ts";
import { openStack } from "../testing/stack.ts";
import { createPlaces } from "./places.ts";

const script = fileURLToPath(new URL("../testing/hold-through-connections.ts", import.meta.url));
const patient = new AbortController().signal;

test(
  "what a worker holds of connections comes back when it is killed",
  { timeout: 60_000 },
  async () => {
    const database = await freshDatabase();
    const stack = await openStack({ databaseUrl: database.url, redisUrl: null });
    const { pool } = stack.db;
    const policy = { failures: 1, ratio: 0.1, windowMs: 60_000, openMs: 1, maxOpenMs: 1 };
    const connection = { id: "guarded", revision: 1, breaker: policy };
    await ensureCircuits(pool, [connection.id]);
    await countOutcomes(pool, [{ connection, generation: 0, successes: 0, failures: 1 }]);

    const child = spawn(process.execPath, [script, database.url, "bounded", connection.id], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [id] = (await once(createInterface(child.stdout), "line")) as [string];
    const places = createPlaces({
      pool,
      signals: stack.signals,
      processId: stack.registration.id,
      onError: (error) => stack.errors.push(error),
    });
    const breakers = createBreakers({
      pool,
      signals: stack.signals,
      onError: (error) => stack.errors.push(error),
      onReleased: () => {},
    });
    let hasPlace = false;
    const place = places.enter({ id: "bounded", concurrency: 1 }, patient).then((leave) => {
      hasPlace = true;
      return leave;
    });
    const closed = new Promise<void>((resolve) =>
      breakers.onChange((changed) => {
        if (changed === connection.id && breakers.isClosed(changed)) resolve();
      }),
    );
    const held = await pool.query(
      "SELECT probe_id, probe_until FROM connection_breakers WHERE state = 'half_open'",
    );
    expect(held.rows).toHaveLength(1);
    // As long as it lives it keeps both: the permit is renewed before its 1.5 s are over.
    await expect
      .poll(
        async () =>
          (await pool.query("SELECT probe_until FROM connection_breakers")).rows[0].probe_until,
        { timeout: 20_000 },
      )
      .not.toEqual(held.rows[0].probe_until);
    expect(hasPlace).toBe(false);

    child.kill("SIGKILL");
    await once(child, "exit");
    // Its lease is over, and the leader sees to what it left.
    await pool.query("UPDATE processes SET lease_until = now() WHERE id = $1", [id]);
    const { rows } = await pool.query<{ at: string }>("SELECT now()::text AS at");
    await putBackOfLostProcesses(pool, stack.enqueuer, rows[0]?.at ?? "");
    (await place)();

    let isClosed = false;
    void closed.then(() => (isClosed = true));
    while (!isClosed) {
      const entry = await breakers.enter(connection, randomUUID());
      if ("leave" in entry) entry.leave("success");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const ended = await pool.query("SELECT state FROM connection_breakers");
    expect(ended.rows).toEqual([{ state: "closed" }]);
    await Promise.all([places.close(), breakers.close()]);
    expect(stack.errors).toEqual([]);
    await stack.close();
    await database.drop();
  },
);
