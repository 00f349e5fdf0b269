import { once } from "node:events";
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { freshDatabase } from "../../../../test/services.ts";
import { silencing } from "../testing/silencing.ts";
import { watchListeners } from "./watch-listeners.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

test("a connection that listens and was cut in silence ends with an error; one that hears stays", async () => {
  const database = await freshDatabase();
  const way = await silencing(database.url);
  const pool = new pg.Pool({ connectionString: way.url, max: 3 });
  pool.on("error", () => undefined);
  const stop = watchListeners(pool, { everyMs: 50, patienceMs: 2_000 });
  cleanUps.push(
    () => database.drop({ force: true }),
    () => way.close(),
    () => pool.end(),
    stop,
  );
  const listen = async (channel: string) => {
    const client = await pool.connect();
    cleanUps.push(() => client.release(true));
    const errors: Error[] = [];
    client.on("error", (error) => void errors.push(error));
    await client.query(`LISTEN ${channel}`);
    return { client, errors };
  };
  const healthy = await listen("healthy");
  const cut = await listen("cut");
  const ended = once(cut.client, "error");
  expect(way.silence((sent) => sent.includes("LISTEN cut"))).toBe(1);
  expect(String((await ended)[0])).toContain(
    "a connection that listens did not answer for 2000 ms",
  );
  // Asked many times meanwhile, the other one still hears.
  const heard = once(healthy.client, "notification");
  await pool.query("NOTIFY healthy");
  await heard;
  expect(healthy.errors).toEqual([]);
});
