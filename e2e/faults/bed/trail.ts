import { runSql } from "../../../test/template-database.ts";

/** One change of an execution's status or dispatch, as Postgres made it. */
export interface Move {
  seq: number;
  /** Postgres' time, ms since the epoch. */
  at: number;
  id: string;
  engine: string;
  /** Null: it was recorded. */
  from: string | null;
  to: string;
  dispatch: number;
  worker: string | null;
}

/** Every move of every execution, written down by a trigger that the bed puts into its own database. */
export interface Trail {
  /** The number of the last move so far. */
  mark(): Promise<number>;
  /** Moves after a mark, in order. */
  since(mark: number): Promise<Move[]>;
}

export const terminal: ReadonlySet<string> = new Set([
  "succeeded",
  "failed",
  "canceled",
  "expired",
]);

const schema = `
CREATE SCHEMA IF NOT EXISTS bed;
CREATE TABLE bed.moves (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  id uuid NOT NULL, engine text NOT NULL, "from" text, "to" text NOT NULL, dispatch int NOT NULL, worker uuid
);
CREATE FUNCTION bed.write_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO bed.moves (id, engine, "from", "to", dispatch, worker)
  VALUES (NEW.id, NEW.engine_id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status, NEW.dispatch, NEW.worker_id);
  RETURN NULL;
END $$;
CREATE TRIGGER bed_inserted AFTER INSERT ON executions FOR EACH ROW EXECUTE FUNCTION bed.write_move();
CREATE TRIGGER bed_updated AFTER UPDATE ON executions FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.dispatch IS DISTINCT FROM NEW.dispatch) EXECUTE FUNCTION bed.write_move();
`;

/** @param url a migrated database */
export async function layTrail(url: string): Promise<Trail> {
  await runSql(url, schema);
  return {
    async mark() {
      const [row] = await runSql<{ seq: string }>(
        url,
        "SELECT coalesce(max(seq), 0) AS seq FROM bed.moves",
      );
      return Number(row?.seq ?? 0);
    },
    async since(mark) {
      const rows = await runSql<Omit<Move, "seq" | "at"> & { seq: string; at: string }>(
        url,
        `SELECT seq, extract(epoch FROM at) * 1000 AS at, id, engine, "from", "to", dispatch, worker
           FROM bed.moves WHERE seq > $1 ORDER BY seq`,
        [mark],
      );
      return rows.map((row) => ({ ...row, seq: Number(row.seq), at: Number(row.at) }));
    },
  };
}

/** How often these executions came to a terminal state more than once, and how often one was left. */
export function countEnds(moves: readonly Move[]): { endedTwice: number; wentBack: number } {
  const ends = new Map<string, number>();
  let wentBack = 0;
  for (const { id, from, to } of moves) {
    if (from !== null && terminal.has(from)) wentBack++;
    if (terminal.has(to)) ends.set(id, (ends.get(id) ?? 0) + 1);
  }
  return { endedTwice: [...ends.values()].filter((count) => count > 1).length, wentBack };
}

/** The longest time in which something was unfinished and nothing started or ended, ms. */
export function longestGapMs(moves: readonly Move[]): number {
  let unfinished = 0;
  let lastProgress = 0;
  let longest = 0;
  for (const { at, from, to } of moves.toSorted((a, b) => a.at - b.at)) {
    if (from === null) {
      if (unfinished === 0) lastProgress = at;
      unfinished++;
      continue;
    }
    if (to !== "running" && !terminal.has(to)) continue;
    longest = Math.max(longest, at - lastProgress);
    lastProgress = at;
    if (terminal.has(to)) unfinished--;
  }
  return longest;
}
