import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { eventually } from "../../support/eventually.ts";
import { startProcess, type LogLine, type RunningProcess } from "../../support/running-process.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";

const files = {
  "9001_s04.sql": `ALTER TABLE executions ADD COLUMN s04 integer NOT NULL DEFAULT 4, ADD CONSTRAINT s04_positive CHECK (s04 > 0) NOT VALID;
ALTER TABLE engine_counters ADD COLUMN s04 bigint NOT NULL DEFAULT 0;`,
  "9002_s04.concurrent.sql": `CREATE INDEX CONCURRENTLY executions_s04 ON executions (engine_id, s04, id);
ALTER TABLE executions VALIDATE CONSTRAINT s04_positive;`,
  "9003_s04.sql": "CREATE TABLE s04 (id integer PRIMARY KEY); INSERT INTO s04 VALUES (1);",
};

/** The longest that a submit may wait for a lock, ms. */
const longestLockMs = 1_000;
/** The longest that it may take altogether, ms: an index of a million rows and two busy cores are slower than any lock. */
const longestMs = 3_000;

export const faultCase: FaultCase = {
  id: "S4",
  promise:
    "migrations beside 1,000,000 executions, submits and a transaction that stays open: two at once, killed with -9 in the middle, also of an index, and started again: each file runs once, no submit waits over 1 s for a lock",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const path = mkdtempSync(join(tmpdir(), "tl-engine-s04-"));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
      await migrateUnderLoad(context, pathToFileURL(`${path}/`).href);
    } finally {
      rmSync(path, { recursive: true });
    }
  },
};

async function migrateUnderLoad(context: CaseContext, folder: string): Promise<void> {
  const bed = await context.startBed({ engines: ["count"], trail: false, alone: true });
  const count = context.size(30_000, 1_000_000);
  await fill(bed, count);
  const ledger = await context.openLedger(bed, ["count"]);
  let going = true;
  const lane = async (): Promise<void> => {
    while (going) {
      await ledger.submit({ engine: "count", input: { sink: bed.sink.url } });
      await delay(context.size(40, 10));
    }
  };
  const locks = watchLocks(bed);
  const load = Promise.all([lane(), lane()]);
  let started = 0;
  const startTwo = (): [RunningProcess, RunningProcess] => {
    const start = (): RunningProcess =>
      startProcess({
        name: `migrator ${started++}`,
        entry: join(import.meta.dirname, "..", "entry-points", "migrate-folder.ts"),
        args: [folder],
        env: { DATABASE_URL: bed.postgres.url },
        cwd: import.meta.dirname,
      });
    return [start(), start()];
  };
  try {
    const held = await killWhileTheTableIsHeld(context, bed, startTwo());
    context.say(held);
    assert.deepEqual(await recorded(bed), []);
    const states = await killInTheMiddleOfAnIndex(context, bed, startTwo());
    context.say(`an index that was cut off twice: ${states.join(", ")}`);
    assert.deepEqual(await recorded(bed), ["9001_s04"]);

    const last = startTwo();
    const applied = await Promise.all(
      last.map((one) => one.says("migrated", said("migrated"), 600_000)),
    );
    assert.deepEqual(
      applied.flatMap((line) => line["applied"]),
      ["9002_s04.concurrent", "9003_s04"],
    );
    for (const one of last) assert.deepEqual(await one.end, { code: 0, signal: null });
    assert.deepEqual(await recorded(bed), ["9001_s04", "9002_s04.concurrent", "9003_s04"]);
    assert.equal(await stateOfIndex(bed), "valid");
    assert.deepEqual(await bed.query("SELECT id FROM s04"), [{ id: 1 }]);
  } finally {
    going = false;
    await load;
  }
  const longest = Math.round(Math.max(...ledger.submits().map(({ ms }) => ms)));
  const lock = Math.round(await locks.stop());
  context.say(
    `${count} executions in the record; the longest submit took ${longest} ms, the longest wait for a lock ${lock} ms`,
  );
  await ledger.audit(context.promised(60));
  assert(lock < longestLockMs, `somebody waited ${lock} ms for a lock`);
  assert(longest < longestMs, `a submit took ${longest} ms`);
}

/** Looks for APIs and workers that wait for a table. @returns the longest wait that was seen, ms */
function watchLocks(bed: Bed): { stop(): Promise<number> } {
  let going = true;
  const watching = (async () => {
    const client = new pg.Client({ connectionString: bed.postgres.url });
    await client.connect();
    let longest = 0;
    while (going) {
      const { rows } = await client.query<{ ms: number }>(
        `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)) * 1000, 0)::float8 AS ms
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
          WHERE NOT l.granted AND l.locktype = 'relation' AND a.application_name IN ('tl-api', 'tl-worker')`,
      );
      longest = Math.max(longest, rows[0]?.ms ?? 0);
      await delay(20);
    }
    await client.end();
    return longest;
  })();
  return {
    stop() {
      going = false;
      return watching;
    },
  };
}

/** Executions that are over, of another engine. */
async function fill(bed: Bed, count: number): Promise<void> {
  const batch = 50_000;
  for (let from = 0; from < count; from += batch) {
    await bed.query(
      `INSERT INTO executions (id, caller_id, engine_id, version, status, priority, attempt, max_attempts, timeout_ms,
         expires_at, started_at, finished_at, input, output)
       SELECT uuidv7(), 'plane', 'history', 1, 'succeeded', 1, 1, 3, 1000, now(), now(), now(), to_json(repeat('a', 200)), '1'
       FROM generate_series(1, $1)`,
      [Math.min(batch, count - from)],
    );
  }
}

const said = (msg: string) => (line: LogLine) => line.msg === msg;

/** Somebody has read the table, and goes on: the migration tries again and again, and is killed while it does. */
async function killWhileTheTableIsHeld(
  context: CaseContext,
  bed: Bed,
  two: readonly RunningProcess[],
): Promise<string> {
  const reader = await openReader(bed, "SELECT count(*) FROM executions WHERE engine_id = 'none'");
  try {
    const tries = context.size(2, 5);
    const waiting = await Promise.any(
      two.map((one) => {
        let seen = 0;
        const matches = ({ what }: LogLine): boolean =>
          String(what).includes(`held by ${reader.pid} (s04-reader`) && ++seen === tries;
        return one.says(`tries ${tries} times`, matches, 120_000);
      }),
    );
    return String(waiting["what"]);
  } finally {
    for (const one of two) await one.kill();
    await reader.end();
  }
}

/**
 * Of two, the one that makes the index is killed, and then the one that took over; an old transaction keeps the index from
 * being done before.
 * @returns what was left each time
 */
async function killInTheMiddleOfAnIndex(
  context: CaseContext,
  bed: Bed,
  two: readonly [RunningProcess, RunningProcess],
): Promise<string[]> {
  const reader = await openReader(bed, "SELECT count(*) FROM leader");
  try {
    const other = await Promise.any(
      two.map(async (one) => {
        await one.says("another one", ({ what }) => String(what).startsWith("another"), 60_000);
        return one;
      }),
    );
    const states: string[] = [];
    for (const one of [two[0] === other ? two[1] : two[0], other]) {
      await eventually(
        `${one.name} makes the index`,
        async () => ((await stateOfIndex(bed)) === "making" ? true : null),
        { withinMs: 120_000 },
      );
      await delay(1_500 * context.random());
      await one.kill();
      // The server notices that its client is gone; the next one may be at it already.
      states.push(await stateOfIndex(bed));
    }
    return states;
  } finally {
    await reader.end();
  }
}

/** A transaction with a snapshot that stays open. */
async function openReader(
  bed: Bed,
  statement: string,
): Promise<{ pid: number; end(): Promise<void> }> {
  const client = new pg.Client({
    connectionString: bed.postgres.url,
    application_name: "s04-reader",
  });
  await client.connect();
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await client.query(statement);
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return { pid: rows[0]?.pid ?? 0, end: () => client.end() };
}

async function recorded(bed: Bed): Promise<string[]> {
  const rows = await bed.query<{ name: string }>(
    "SELECT name FROM kysely_migration WHERE name LIKE '9%' ORDER BY name",
  );
  return rows.map(({ name }) => name);
}

async function stateOfIndex(bed: Bed): Promise<string> {
  const [row] = await bed.query<{ state: string | null; making: boolean }>(
    `SELECT (SELECT CASE WHEN indisvalid THEN 'valid' ELSE 'invalid' END FROM pg_index
         WHERE indexrelid = to_regclass('executions_s04')) AS state,
       EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = 'executions'::regclass) AS making`,
  );
  return row?.making === true ? "making" : (row?.state ?? "none");
}
