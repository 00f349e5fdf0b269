import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { createCatalogue, type Catalogue } from "./catalogue.ts";
import { publishEngines, type EngineDescriptor } from "./publish.ts";

let database: FreshDatabase;
let one: Stack;
let two: Stack;
let catalogue: Catalogue;

beforeAll(async () => {
  database = await freshDatabase();
  one = await openStack({ databaseUrl: database.url, redisUrl: null });
  two = await openStack({ databaseUrl: database.url, redisUrl: null });
  catalogue = createCatalogue(one.db, one.signals, (error) => void one.errors.push(error));
});
afterAll(async () => {
  catalogue.close();
  await one.close();
  await two.close();
  await database.drop();
});

function descriptor(id: string, version: number, timeoutMs = 1_000): EngineDescriptor {
  return {
    id,
    version,
    title: id,
    description: null,
    input_schema: {},
    output_schema: {},
    example: { n: 1 },
    policy: {
      timeout_ms: timeoutMs,
      timeout_max_ms: 60_000,
      ttl_ms: 1_000,
      ttl_max_ms: 60_000,
      max_attempts: 1,
      max_attempts_max: 1,
      backoff_initial_ms: 1,
      backoff_factor: 2,
      backoff_max_ms: 1,
      concurrency: null,
      isolation: "inline",
      short_ms: null,
      memory_mib: 256,
      uses: [],
    },
  };
}

const publish = (stack: Stack, engine: EngineDescriptor, replace = false) =>
  publishEngines(stack.db, stack.signals, [engine], { processId: stack.registration.id, replace });
const serve = (stack: Stack, engineId: string, version: number) =>
  stack.registration.serve([{ engineId, version, slots: 1 }]);

test("a bare id means the highest version with a live worker, else the highest", async () => {
  const id = freshEngineId();
  for (const version of [1, 2, 3]) await publish(one, descriptor(id, version));
  await catalogue.ready();
  expect(await catalogue.resolve(`${id}@2`)).toMatchObject({ version: 2, live: false });
  await expect.poll(() => catalogue.resolve(id), { timeout: 20_000 }).toMatchObject({ version: 3 });
  await serve(one, id, 2);
  one.signals.publish("catalogue", "");
  await expect
    .poll(async () => (await catalogue.resolve(id))?.version, { timeout: 20_000 })
    .toBe(2);
  expect(catalogue.versions(id).map(({ version }) => version)).toEqual([3, 2, 1]);
  expect(await catalogue.resolve("nobody")).toBeNull();
  expect(await catalogue.resolve(`${id}@4`)).toBeNull();
});

test("what has just been published is found at once, without a signal", async () => {
  await catalogue.ready();
  const id = freshEngineId();
  const silent = { ...two.signals, publish: () => {} };
  const options = { processId: two.registration.id, replace: false };
  await publishEngines(two.db, silent, [descriptor(id, 1)], options);
  await expect.poll(() => catalogue.resolve(id)).toMatchObject({ id, example: { n: 1 } });
});

test("a version keeps its content while another worker serves it or an execution holds it", async () => {
  const id = freshEngineId();
  const first = descriptor(id, 1);
  const changed = descriptor(id, 1, 2_000);
  expect((await publish(one, first)).served).toHaveLength(1);
  await serve(one, id, 1);
  expect((await publish(two, first)).served).toHaveLength(1);
  const refused = await publish(two, changed);
  expect(refused.served).toEqual([]);
  expect(refused.refused[0]?.reason).toContain("new version");
  expect((await publish(two, changed, true)).served).toHaveLength(1);

  const held = freshEngineId();
  await publish(one, descriptor(held, 1));
  await one.submitter.submit(newExecution({ engineId: held }));
  expect((await publish(one, descriptor(held, 1, 2_000))).refused).toHaveLength(1);

  const free = freshEngineId();
  await publish(one, descriptor(free, 1));
  expect((await publish(one, descriptor(free, 1, 2_000))).served).toHaveLength(1);
});

test("goes on being read in the same session after a migration that adds a column", async () => {
  const id = freshEngineId();
  const { pool } = one.db;
  const only = await pool.connect();
  const read = createCatalogue({ ...one.db, pool: only as never }, one.signals, () => {});
  try {
    await read.ready();
    await two.db.pool.query("ALTER TABLE engine_versions ADD COLUMN added integer");
    await publish(two, descriptor(id, 1));
    await expect.poll(() => read.resolve(id)).toMatchObject({ id, version: 1 });
  } finally {
    read.close();
    only.release();
    await two.db.pool.query("ALTER TABLE engine_versions DROP COLUMN added");
  }
});
