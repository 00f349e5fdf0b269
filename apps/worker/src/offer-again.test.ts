import { publishEngines, type EngineDescriptor } from "@tl-engine/shared/catalogue/publish.ts";
import { silentLog, type Fields, type Log } from "@tl-engine/shared/log/log.ts";
import { newExecution, openStack } from "@tl-engine/shared/testing/stack.ts";
import { expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { startTestWorker } from "./testing/running-worker.ts";

/** `test.twice@1` as it was published before; its timeout has changed since. */
const before: EngineDescriptor = {
  id: "test.twice",
  version: 1,
  title: "test.twice",
  description: null,
  input_schema: {},
  output_schema: {},
  example: null,
  policy: {
    timeout_ms: 1,
    timeout_max_ms: 1,
    ttl_ms: 1,
    ttl_max_ms: 1,
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

test(
  "what others served with another content is served as soon as the last of them is gone",
  { timeout: 60_000 },
  async () => {
    const database = await freshDatabase();
    const old = await openStack({ databaseUrl: database.url, redisUrl: null });
    const { pool } = old.db;
    await publishEngines(old.db, old.signals, [before], {
      processId: old.registration.id,
      replace: false,
    });
    await old.registration.serve([{ engineId: "test.twice", version: 1, slots: 1 }]);

    const said: { message: string; engine: unknown; engines: unknown }[] = [];
    const note = ({ engine, engines }: Fields, message: string): void =>
      void said.push({ message, engine, engines });
    const log: Log = { ...silentLog, info: note, error: note };
    const heard = (message: string) => said.find((line) => line.message === message);
    const env = { TL_WORKER_ENGINES: "test.twice,test.sleep" };
    const worker = await startTestWorker({ databaseUrl: database.url, redisUrl: null, env, log });
    try {
      await worker.started;
      expect(heard("an engine version is not served")).toMatchObject({ engine: "test.twice" });
      expect(heard("taking work")?.engines).toEqual(["test.sleep@1"]);
      await pool.query("DELETE FROM process_engines WHERE process_id = $1", [old.registration.id]);
      await expect
        .poll(() => heard("an engine version is served now"), { timeout: 30_000 })
        .toMatchObject({ engine: "test.twice" });
      expect(
        said.filter(({ message }) => message === "an engine version is not served"),
      ).toHaveLength(1);

      const execution = newExecution({ engineId: "test.twice", inputText: '{"n":21}' });
      await old.submitter.submit(execution);
      const status = async (): Promise<unknown> =>
        (await pool.query("SELECT status, output FROM executions WHERE id = $1", [execution.id]))
          .rows[0];
      await expect
        .poll(status, { timeout: 20_000 })
        .toEqual({ status: "succeeded", output: { n: 42 } });
    } finally {
      await worker.stop(AbortSignal.abort());
      await old.close();
      await database.drop();
    }
  },
);
