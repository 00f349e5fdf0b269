import pg from "pg";

/** Somebody whose lock another session waits for. */
export interface Blocker {
  pid: number;
  /** For people: pid, program, state, age of its transaction. Never its statement, which may hold data. */
  description: string;
  /** An autovacuum worker: it gives way to whoever waits for one second. */
  yields: boolean;
}

/** What one session waits for. */
export interface LockWait {
  blockers: Blocker[];
  /** The table that is waited for; null where it is something else (an older transaction, a row). */
  table: string | null;
}

/** Looks, from a connection of its own, what one session of Postgres waits for while it works. */
export interface LockWatch {
  /** Runs the work; `seen` hears what the session waits for, again and again, once it has waited for a moment. */
  during<T>(pid: number, seen: (wait: LockWait) => void, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** How long after the start of the work, and after each look, the next look is, ms. */
const lookEveryMs = 200;

interface BlockerRow {
  pid: number;
  name: string | null;
  state: string | null;
  seconds: number | null;
  yields: boolean;
}

/** @param connect opens the connection, at the first look */
export function createLockWatch(connect: () => Promise<pg.Client>): LockWatch {
  let opening: Promise<pg.Client> | null = null;

  async function look(pid: number): Promise<LockWait | null> {
    opening ??= connect();
    const client = await opening;
    const { rows } = await client.query<BlockerRow>(
      `SELECT b.pid, coalesce(nullif(a.application_name, ''), a.backend_type) AS name, a.state,
         floor(extract(epoch FROM clock_timestamp() - a.xact_start))::int AS seconds,
         coalesce(a.backend_type = 'autovacuum worker', false) AS yields
       FROM unnest(pg_blocking_pids($1)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid`,
      [pid],
    );
    if (rows.length === 0) return null;
    const waited = await client.query<{ name: string }>(
      `SELECT relation::regclass::text AS name FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
       WHERE pid = $1 AND NOT granted AND relkind IN ('r', 'p')`,
      [pid],
    );
    return { blockers: rows.map(describe), table: waited.rows[0]?.name ?? null };
  }

  return {
    async during(pid, seen, work) {
      let over = false;
      let timer: NodeJS.Timeout | undefined;
      const next = (): void => {
        timer = setTimeout(() => {
          look(pid)
            .then((wait) => {
              if (wait !== null && !over) seen(wait);
            })
            // Not to know who blocks is no reason to stop.
            .catch(() => {
              opening = null;
            })
            .finally(() => {
              if (!over) next();
            });
        }, lookEveryMs);
      };
      next();
      try {
        return await work();
      } finally {
        over = true;
        clearTimeout(timer);
      }
    },
    async close() {
      await opening?.then(
        (client) => client.end(),
        () => {},
      );
    },
  };
}

function describe({ pid, name, state, seconds, yields }: BlockerRow): Blocker {
  const parts = [
    name ?? "gone",
    state,
    seconds === null ? null : `in a transaction for ${seconds} s`,
  ];
  return {
    pid,
    description: `${pid} (${parts.filter((part) => part !== null).join(", ")})`,
    yields,
  };
}
