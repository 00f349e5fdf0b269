import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { LockWait, LockWatch } from "./lock-watch.ts";
import type { MigrationFile } from "./migration-files.ts";

export interface RunContext {
  /** The session that holds the migrators' lock; everything runs in it, so that the lock lives exactly as long as the work. */
  client: pg.Client;
  /** Its process id on the server. */
  pid: number;
  watch: LockWatch;
  /** Hears what the migration waits for. */
  onWait: (what: string) => void;
}

/**
 * How long a file may wait for locks altogether, ms. Whatever comes after a statement that waits for a table waits behind
 * it: longer than this, and submits stand still because somebody reads.
 */
const maxLockWaitMs = 500;
/** What is left for a lock when that time is over, ms. */
const minLockWaitMs = 100;
/** Pauses between the tries: submits go through meanwhile, ms. */
const firstPauseMs = 1_000;
const maxPauseMs = 5_000;
/** How often a statement that stops nobody says that it waits, ms. */
const sayEveryMs = 10_000;
/** A lock that could not be had in time, a deadlock: again. */
const again = new Set(["55P03", "40P01"]);

/** Runs one migration and records it. @throws what Postgres says; the file is not recorded then */
export async function runMigration(context: RunContext, migration: MigrationFile): Promise<void> {
  const run = migration.concurrent ? runStatementByStatement : runInOneTransaction;
  for (let pauseMs = firstPauseMs, table: string | null = null; ;) {
    let wait: LockWait | null = null;
    const seen = (now: LockWait): void => {
      wait = now;
    };
    try {
      await run(context, migration, seen, table);
      return;
    } catch (error) {
      if (!again.has((error as { code?: string }).code ?? "")) throw error;
      context.onWait(sentence(migration, wait, `; it tries again in ${pauseMs} ms`));
      table = tableOfAutovacuum(wait);
      await sleep(pauseMs);
      pauseMs = Math.min(maxPauseMs, pauseMs * 2);
    }
  }
}

type Run = (
  context: RunContext,
  migration: MigrationFile,
  seen: (wait: LockWait) => void,
  table: string | null,
) => Promise<void>;

const runInOneTransaction: Run = async ({ client, pid, watch }, migration, seen, table) => {
  await client.query("BEGIN");
  try {
    await watch.during(pid, seen, async () => {
      // Autovacuum gives way to who waits for a second. Waiting in this mode stops no statement, and while the lock is held
      // no other autovacuum begins.
      if (table !== null) {
        await client.query("SET LOCAL lock_timeout = '10s'");
        await client.query(`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`);
      }
      const startedAt = performance.now();
      for (const statement of migration.statements) {
        const left = Math.max(minLockWaitMs, maxLockWaitMs - (performance.now() - startedAt));
        await client.query(`SET LOCAL lock_timeout = ${Math.ceil(left)}`);
        await client.query(statement);
      }
      await record(client, migration);
    });
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
};

/** What runs here waits as long as it must: it holds no lock that stops submits. */
const runStatementByStatement: Run = async (context, migration, seen) => {
  const { client, pid, watch, onWait } = context;
  let saidAt = performance.now();
  const look = (wait: LockWait): void => {
    seen(wait);
    if (performance.now() - saidAt < sayEveryMs) return;
    saidAt = performance.now();
    onWait(sentence(migration, wait, ""));
  };
  await watch.during(pid, look, async () => {
    for (const statement of migration.statements) {
      const index = indexMadeBy(statement);
      if (index !== null && (await isThere(client, index))) continue;
      await client.query(statement);
    }
  });
  await record(client, migration);
};

/** The name of the index that a statement creates concurrently, as it is written there. */
function indexMadeBy(statement: string): string | null {
  const made =
    /^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w."]+)\s+ON\s/i;
  return made.exec(statement)?.[1] ?? null;
}

/** Whether the index is there and good. What a run left that broke off is invalid for ever, and is removed here. */
async function isThere(client: pg.Client, index: string): Promise<boolean> {
  const { rows } = await client.query<{ indisvalid: boolean }>(
    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)",
    [index],
  );
  if (rows[0]?.indisvalid === false) await client.query(`DROP INDEX CONCURRENTLY ${index}`);
  return rows[0]?.indisvalid === true;
}

async function record(client: pg.Client, { name }: MigrationFile): Promise<void> {
  await client.query("INSERT INTO kysely_migration (name, timestamp) VALUES ($1, $2)", [
    name,
    new Date().toISOString(),
  ]);
}

function tableOfAutovacuum(wait: LockWait | null): string | null {
  return wait?.blockers.some((blocker) => blocker.yields) === true ? wait.table : null;
}

function sentence({ name }: MigrationFile, wait: LockWait | null, then: string): string {
  const whom = wait?.blockers.map((blocker) => blocker.description).join(", ") ?? "nobody any more";
  const what = wait?.table === undefined || wait.table === null ? "" : `${wait.table}, held by `;
  return `migration ${name} waits for ${what}${whom}${then}`;
}
