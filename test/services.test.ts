import { Redis } from "ioredis";
import { Client } from "pg";
import { expect, test } from "vitest";
import {
  describeWithRedis,
  freshDatabase,
  freshRedis,
  startPrivatePostgres,
  startPrivateRedis,
} from "./services.ts";
import { runSql } from "./template-database.ts";

test("two fresh databases don't see each other", async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  await runSql(one.url, "CREATE TABLE here (x int)");
  expect(await runSql(two.url, "SELECT to_regclass('here') AS found")).toEqual([{ found: null }]);
  await Promise.all([one.drop(), two.drop()]);
});

test("a session left open fails the drop and is named; force drops it all the same", async () => {
  const [strict, forced] = await Promise.all([freshDatabase(), freshDatabase()]);
  const open = async (url: string): Promise<Client> => {
    const client = new Client({ connectionString: url, application_name: "forgotten" });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  };
  await Promise.all([open(strict.url), open(forced.url)]);
  await expect(strict.drop()).rejects.toThrow(/1 database sessions were left open:\s+forgotten/);
  await forced.drop({ force: true });
});

test("a private PostgreSQL comes back on its address with what was committed", async () => {
  const server = await startPrivatePostgres();
  await runSql(server.url, "CREATE TABLE kept AS SELECT 1 AS x");
  await server.kill();
  await expect(runSql(server.url, "SELECT 1")).rejects.toThrow();
  await server.start();
  expect(await runSql(server.url, "SELECT x FROM kept")).toEqual([{ x: 1 }]);
  await server.remove();
});

describeWithRedis("Redis servers for tests", () => {
  test("fresh ones don't see each other", async () => {
    const [one, two] = [new Redis(await freshRedis()), new Redis(await freshRedis())];
    await one.set("here", "1");
    expect(await two.get("here")).toBeNull();
    one.disconnect();
    two.disconnect();
  });

  test("a private one is gone when killed, and comes back empty on its address", async () => {
    const server = await startPrivateRedis();
    const client = new Redis(server.url, { retryStrategy: () => 20 });
    client.on("error", () => undefined);
    await client.set("here", "1");
    await server.kill();
    await server.start();
    expect(await client.get("here")).toBeNull();
    client.disconnect();
    await server.stop();
  });
});
