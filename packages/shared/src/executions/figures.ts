import type pg from "pg";

/** An engine's figures over all its versions, from counters alone. */
export interface EngineFigures {
  id: string;
  queued: number;
  running: number;
  scheduled: number;
  /**
   * Could start with more slots. What is ready beyond the engine's ceiling is not among them, also where no worker has
   * met the ceiling yet because all slots are taken: more workers would not help.
   */
  runnable: number;
  oldestQueuedSeconds: number;
  workers: number;
  slots: number;
  finishedLast5m: number;
  meanRunSeconds: number | null;
  queue: Percentiles;
  run: Percentiles;
  totals: {
    accepted: number;
    succeeded: number;
    failed: number;
    canceled: number;
    expired: number;
  };
}

/** Seconds; null where nothing was measured in the last five minutes. */
export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

interface CounterRow {
  id: string;
  queued: number;
  running: number;
  scheduled: number;
  runnable: number;
  oldest: number | null;
  workers: number;
  slots: number;
  accepted: number;
  succeeded: number;
  failed: number;
  canceled: number;
  expired: number;
}

interface TimingRow {
  id: string;
  kind: "queue" | "run";
  bucket: number;
  count: number;
  total_ms: number;
}

/**
 * Reads the figures of engines; costs the same whatever the number of executions.
 * @param engineIds only these; null: all that are known
 */
export async function readEngineFigures(
  pool: pg.Pool,
  engineIds: readonly string[] | null,
): Promise<EngineFigures[]> {
  const [counters, timings] = await Promise.all([
    pool.query<CounterRow>({ name: "engine-counters", text: countersText, values: [engineIds] }),
    pool.query<TimingRow>({ name: "engine-timings", text: timingsText, values: [engineIds] }),
  ]);
  const byEngine = Map.groupBy(timings.rows, (row) => row.id);
  return counters.rows.map((row) => {
    const buckets = byEngine.get(row.id) ?? [];
    const run = buckets.filter(({ kind }) => kind === "run");
    const queue = buckets.filter(({ kind }) => kind === "queue");
    const finished = run.reduce((sum, { count }) => sum + count, 0);
    const totalMs = run.reduce((sum, bucket) => sum + bucket.total_ms, 0);
    return {
      id: row.id,
      queued: row.queued,
      running: row.running,
      scheduled: row.scheduled,
      runnable: row.runnable,
      oldestQueuedSeconds: Math.max(0, row.oldest ?? 0),
      workers: row.workers,
      slots: row.slots,
      finishedLast5m: finished,
      meanRunSeconds: finished === 0 ? null : totalMs / finished / 1_000,
      queue: percentilesOf(queue),
      run: percentilesOf(run),
      totals: {
        accepted: row.accepted,
        succeeded: row.succeeded,
        failed: row.failed,
        canceled: row.canceled,
        expired: row.expired,
      },
    };
  });
}

const count = (column: string) => `coalesce(sum(c.${column}), 0)::float8 AS ${column}`;

const countersText = `
WITH known AS (
  SELECT engine_id, version FROM engine_versions UNION SELECT engine_id, version FROM engine_counters
), versions AS (
  SELECT k.engine_id, k.version,
    ${["queued", "running", "scheduled", "ready", "pending", "accepted", "succeeded", "failed", "canceled", "expired"].map(count).join(", ")}
  FROM known k LEFT JOIN engine_counters c USING (engine_id, version)
  WHERE $1::text[] IS NULL OR k.engine_id = ANY($1)
  GROUP BY k.engine_id, k.version
), startable AS (
  SELECT v.*, least(v.ready + v.pending, greatest(0, coalesce((p.policy ->> 'concurrency')::float8, 'Infinity') - v.running)) AS runnable
  FROM versions v LEFT JOIN engine_versions p USING (engine_id, version)
), aged AS (
  SELECT v.*, CASE WHEN v.runnable > 0 THEN extract(epoch FROM now() - least((
    SELECT coalesce(e.waiting_since, e.ready_at) FROM executions e
    WHERE e.engine_id = v.engine_id AND e.version = v.version AND e.status = 'queued' AND e.wait_reason IS NULL
    ORDER BY e.ready_at LIMIT 1
  ), (
    SELECT min(e.waiting_since) FROM executions e WHERE e.engine_id = v.engine_id AND e.version = v.version
      AND e.status = 'queued' AND e.wait_reason = 'dispatch_pending')))::float8 END AS oldest
  FROM startable v
), served AS (
  SELECT s.engine_id, count(DISTINCT p.id)::int AS workers, coalesce(sum(s.slots), 0)::int AS slots
  FROM process_engines s JOIN processes p ON p.id = s.process_id
  WHERE p.lease_until > now() AND NOT p.draining GROUP BY s.engine_id
)
SELECT a.engine_id AS id, sum(a.queued) AS queued, sum(a.running) AS running, sum(a.scheduled) AS scheduled,
  sum(a.runnable) AS runnable, max(a.oldest) AS oldest, coalesce(max(s.workers), 0) AS workers, coalesce(max(s.slots), 0) AS slots,
  sum(a.accepted) AS accepted, sum(a.succeeded) AS succeeded, sum(a.failed) AS failed, sum(a.canceled) AS canceled,
  sum(a.expired) AS expired
FROM aged a LEFT JOIN served s USING (engine_id) GROUP BY a.engine_id ORDER BY a.engine_id`;

const timingsText = `
SELECT engine_id AS id, kind, bucket, sum(count)::float8 AS count, sum(total_ms)::float8 AS total_ms FROM engine_timings
WHERE slot > (extract(epoch FROM now())::bigint - 300) / 10 AND ($1::text[] IS NULL OR engine_id = ANY($1))
GROUP BY engine_id, kind, bucket ORDER BY engine_id, kind, bucket`;

/** The value below which a share of what was measured lies, from bucket bounds: at most 15 % too high. */
function percentilesOf(buckets: TimingRow[]): Percentiles {
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const at = (share: number): number | null => {
    let seen = 0;
    for (const { bucket, count: inBucket } of buckets) {
      seen += inBucket;
      if (seen >= share * total) return Number(((0.1 * 1.15 ** bucket) / 1_000).toPrecision(3));
    }
    return null;
  };
  return total === 0
    ? { p50: null, p95: null, p99: null }
    : { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
