import type pg from "pg";
import type { Enqueuer } from "./enqueuer.ts";
import { readyColumns, type ReadyRow } from "./ready.ts";
import type { EngineRef, Pace } from "./window.ts";

/** What a refill found and did. */
export interface Refill {
  /** How many may be ahead now. */
  window: number;
  /** How many are: in the queue, or below the engine's ceiling; those that were brought in are among them. */
  ahead: number;
  /** How many wait in Postgres after it. */
  pending: number;
  /** How many were brought in. */
  moved: number;
  /** Whether another process did the same at this moment; then nothing was done. */
  busy: boolean;
  /** The caller whose turn came last. */
  lastCaller: string;
}

/** What was found, and one that was brought in; where there is none, one row without an id. */
interface RefillRow extends Omit<ReadyRow, "id"> {
  id: string | null;
  busy: boolean;
  most: number;
  ahead: number;
  pending: number;
  last_caller: string | null;
}

/**
 * Brings executions that wait in Postgres into the queue: as many as there is room for, in turns over callers and by
 * priority and age within each. Does nothing while less than half of the window is free, so that they come in pages.
 * One process at a time does it for an engine version; what was canceled, has expired or is in somebody else's hands is
 * left out.
 * @param lastCaller whose turn came last: the next one is first
 */
export async function refill(
  pool: pg.Pool,
  enqueuer: Enqueuer,
  { engineId, version }: EngineRef,
  pace: Omit<Pace, "isGuess">,
  lastCaller: string,
): Promise<Refill> {
  const ticket = enqueuer.open();
  let rows: RefillRow[];
  try {
    ({ rows } = await pool.query<RefillRow>({
      name: "refill",
      text: refillText,
      values: [engineId, version, pace.slots, pace.ahead, lastCaller, enqueuer.processId],
    }));
  } catch (error) {
    enqueuer.drop(ticket, "unknown");
    throw error;
  }
  const moved = rows.filter((row): row is RefillRow & ReadyRow => row.id !== null);
  await enqueuer.enqueue(ticket, moved);
  const [first] = rows;
  if (first === undefined) throw new Error("Postgres said nothing");
  return {
    busy: first.busy,
    window: first.most,
    ahead: first.ahead + moved.length,
    pending: Math.max(0, first.pending - moved.length),
    moved: moved.length,
    lastCaller: first.last_caller ?? lastCaller,
  };
}

const isPending = `e.status = 'queued' AND e.wait_reason = 'dispatch_pending'`;

// Compared as rows, and ordered by all columns: so the planner can take no index but the one that is made for it, however
// small it believes the table to be.
const nextCaller = (after: string): string => `
  SELECT n.caller_id FROM (
    SELECT e.engine_id, e.version, e.caller_id FROM executions e
    WHERE ${isPending} AND (e.engine_id, e.version, e.caller_id) > ($1, $2::int, ${after})
    ORDER BY e.engine_id, e.version, e.caller_id LIMIT 1) AS n
  WHERE n.engine_id = $1 AND n.version = $2`;

/** A caller gets this many times his equal share of the room, since others may want less than theirs. */
const generosity = 4;

// From caller to caller by the index, beginning after the one whose turn came last and once around; never more callers
// than there is room. So it reads what it moves, however long the backlog is and however many wait.
const refillText = `
WITH RECURSIVE turn AS MATERIALIZED (
  SELECT pg_try_advisory_xact_lock(hashtextextended('tl-refill:' || $1 || '@' || $2::int, 0)) AS mine
), counted AS MATERIALIZED (
  SELECT coalesce(sum(c.ready), 0) AS ready, coalesce(sum(c.pending), 0)::int AS pending, coalesce(sum(c.running), 0) AS running
  FROM engine_counters c WHERE c.engine_id = $1 AND c.version = $2
), seen AS MATERIALIZED (
  SELECT turn.mine, counted.pending,
    $4::int + greatest(0, $3::int - counted.running)::int AS most,
    greatest(0, counted.ready)::int + (SELECT count(*)::int FROM (
      SELECT FROM executions p WHERE p.engine_id = $1 AND p.version = $2 AND p.status = 'queued'
        AND p.wait_reason = 'engine_concurrency' LIMIT $4::int + $3::int) AS parked) AS ahead
  FROM turn, counted
), free AS MATERIALIZED (
  SELECT CASE WHEN mine AND pending > 0 AND ahead * 2 <= most THEN least(1000, most - ahead) ELSE 0 END AS room FROM seen
), callers (caller_id, lap, place) AS (
  SELECT $5::text, 0, 0
  UNION ALL
  SELECT next.caller_id, next.lap, c.place + 1 FROM callers c CROSS JOIN LATERAL (
    (SELECT n.caller_id, c.lap AS lap FROM (${nextCaller("c.caller_id")}) AS n)
    UNION ALL
    (SELECT n.caller_id, 1 FROM (${nextCaller("''")}) AS n WHERE c.lap = 0)
    LIMIT 1
  ) AS next
  WHERE c.place < (SELECT room FROM free) AND (next.lap = 0 OR next.caller_id <= $5)
), share AS MATERIALIZED (
  SELECT least(room, ceil(room * ${generosity}.0 / greatest(1, (SELECT count(*) - 1 FROM callers))))::int AS each FROM free
), picked AS MATERIALIZED (
  SELECT p.id, p.turn FROM callers c CROSS JOIN LATERAL (
    SELECT f.id, f.priority, row_number() OVER (ORDER BY f.priority, f.id) AS turn FROM (
      SELECT e.id, e.priority FROM executions e
      WHERE ${isPending}
        AND (e.engine_id, e.version, e.caller_id) >= ($1, $2::int, c.caller_id)
        AND (e.engine_id, e.version, e.caller_id) <= ($1, $2::int, c.caller_id)
      ORDER BY e.engine_id, e.version, e.caller_id, e.priority, e.id LIMIT (SELECT each FROM share)) AS f
  ) AS p
  WHERE c.place > 0 ORDER BY p.turn, p.priority, p.id LIMIT (SELECT room FROM free)
), held AS MATERIALIZED (
  SELECT e.id, p.turn FROM picked p JOIN executions e ON e.id = p.id
  WHERE e.status || '' = 'queued' AND e.wait_reason || '' = 'dispatch_pending'
    AND (e.started_at IS NOT NULL OR e.expires_at > now())
  FOR UPDATE OF e SKIP LOCKED
), moved AS (
  UPDATE executions e SET wait_reason = NULL, ready_at = now(), enqueuer = $6
  FROM held h WHERE e.id = h.id
  RETURNING ${readyColumns}, h.turn
)
SELECT NOT seen.mine AS busy, seen.most, seen.ahead, seen.pending,
  (SELECT c.caller_id FROM callers c ORDER BY c.place DESC LIMIT 1) AS last_caller, moved.*
FROM seen LEFT JOIN moved ON true ORDER BY moved.turn, moved.priority, moved.id`;

/** Engine versions of which some wait in Postgres, from the counters. */
export async function enginesWithPending(pool: pg.Pool): Promise<EngineRef[]> {
  const { rows } = await pool.query<EngineRef>({
    name: "engines-with-pending",
    text: `SELECT engine_id AS "engineId", version FROM engine_counters
      GROUP BY engine_id, version HAVING sum(pending) > 0 ORDER BY 1, 2`,
  });
  return rows;
}
