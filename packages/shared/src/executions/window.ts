import type pg from "pg";

/** One version of an engine. */
export interface EngineRef {
  readonly engineId: string;
  readonly version: number;
}

/** Most executions of an engine version that are ahead in the queue beyond the slots that are free. */
export const maxAhead = 1_000;
/** So much work is ahead, ms: enough that no slot waits for the next refill, and little for a newcomer to wait behind. */
const aheadMs = 500;
/** What is ahead of an engine that is too slow for any to be within that time. */
const minAhead = 2;
/** What may be ahead of an engine that nobody serves: a worker that comes finds something to do. */
const aheadUnserved = 16;
/** Before a process looks at an engine version it takes this for its window; the look takes a few ms. */
export const unseenWindow = 64;
/** How long a run is taken to last at least where nothing is known of it, ms; and no more than one for each slot is ahead. */
const unknownRunMs = 100;

/** How fast an engine version is worked off. */
export interface Pace {
  /** How many may run at once, over all live workers and below the engine's ceiling. */
  readonly slots: number;
  /** How many may be ahead besides those for which a slot is free now. */
  readonly ahead: number;
  /** Live API processes: each of them records without asking the others. */
  readonly apis: number;
  /** Whether it is a guess, since none has ended in the last minutes: worth another look soon. */
  readonly isGuess: boolean;
}

interface PaceRow {
  slots: number;
  apis: number;
  concurrency: number | null;
  short_ms: number | null;
  mean_ms: number | null;
  longest_ms: number | null;
}

/** How many may be ahead of so many slots, from what one run usually takes, ms. */
export function aheadOf(slots: number, runMs: number): number {
  if (slots === 0) return aheadUnserved;
  const perMs = slots / Math.max(runMs, 0.1);
  return Math.min(maxAhead, Math.max(minAhead, Math.ceil(perMs * aheadMs)));
}

/** Reads the pace of an engine version: its live slots, and what a run took in the last minutes. */
export async function readPace(pool: pg.Pool, { engineId, version }: EngineRef): Promise<Pace> {
  const { rows } = await pool.query<PaceRow>({
    name: "read-pace",
    text: paceText,
    values: [engineId, version],
  });
  const row = rows[0];
  if (row === undefined) throw new Error("Postgres said nothing");
  const slots = Math.min(row.slots, row.concurrency ?? row.slots);
  const apis = Math.max(1, row.apis);
  if (row.mean_ms !== null) {
    return { slots, ahead: aheadOf(slots, row.mean_ms), apis, isGuess: false };
  }
  // Those that run tell at least how long one may take.
  const guess = aheadOf(slots, Math.max(row.short_ms ?? unknownRunMs, row.longest_ms ?? 0));
  const isBlind = row.short_ms === null && slots > 0;
  return { slots, ahead: isBlind ? Math.min(slots, guess) : guess, apis, isGuess: true };
}

const meanSince = (seconds: number): string => `(
  SELECT sum(t.total_ms) / sum(t.count) FROM engine_timings t
  WHERE t.slot > (extract(epoch FROM now())::bigint - ${seconds}) / 10
    AND t.engine_id = $1 AND t.version = $2 AND t.kind = 'run')`;

const paceText = `
WITH mean AS MATERIALIZED (SELECT coalesce(${meanSince(60)}, ${meanSince(300)}) AS ms)
SELECT
  (SELECT coalesce(sum(s.slots), 0)::int FROM process_engines s JOIN processes p ON p.id = s.process_id
   WHERE s.engine_id = $1 AND s.version = $2 AND p.lease_until > now() AND NOT p.draining) AS slots,
  (SELECT count(*)::int FROM processes p WHERE p.kind = 'api' AND p.lease_until > now()) AS apis,
  (v.policy ->> 'concurrency')::int AS concurrency,
  (v.policy ->> 'short_ms')::float8 AS short_ms,
  mean.ms AS mean_ms,
  CASE WHEN mean.ms IS NULL THEN (
    SELECT extract(epoch FROM now() - min(e.attempt_started_at))::float8 * 1000 FROM executions e
    WHERE e.status = 'running' AND e.engine_id = $1 AND e.version = $2) END AS longest_ms
FROM mean LEFT JOIN engine_versions v ON v.engine_id = $1 AND v.version = $2`;
