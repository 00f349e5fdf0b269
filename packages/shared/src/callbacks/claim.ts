import type pg from "pg";

/** A delivery that is this process' to send, for as long as its lease holds. */
export interface ClaimedDelivery {
  id: string;
  /** null: a test of the endpoint. */
  execution_id: string | null;
  caller_id: string;
  endpoint_id: string | null;
  url: string;
  target: string;
  event: string;
  /** Which try this is, from 1 on. */
  tries: number;
  /** Fences off the result of an earlier claim. */
  claims: number;
  created_at: Date;
  /** Envelopes of the endpoint's secrets; null for a URL of a submit, and for an endpoint that is gone. */
  secret: string | null;
  previous_secret: string | null;
  /** Whether there is somebody to deliver to; a URL of a submit always is. */
  is_active: boolean;
}

/** Callers and addresses take turns; this is where the last look ended. */
export interface Place {
  caller: string;
  target: string;
}

export interface ClaimOptions {
  workerId: string;
  /** How many deliveries there is room for. */
  room: number;
  /** What is under way here, by address. */
  busy: readonly (Place & { count: number })[];
  /** How many may be under way at once to one address. */
  perTarget: number;
  leaseMs: number;
  after: Place | null;
  /** Addresses of one caller that are looked at before it is the next caller's turn; null: all. */
  targetsPerCaller: number | null;
}

export interface Claimed {
  deliveries: ClaimedDelivery[];
  /** Where the next look goes on; null: this one came to the end. */
  last: Place | null;
  /** Some addresses of a caller were left out. */
  skipped: boolean;
}

/** Addresses that one look passes. */
const pageSize = 256;
/** After every address of a caller: in a database they are sorted by their bytes, and none begins with this. */
const afterAllTargets = "~";

// A loose walk over (caller, address) by the index, which reads one entry for each of them however much waits there; what is
// due of each is chosen then, and taken in turns. `|| ''` keeps the planner from another way to the rows.
const statement = `
WITH RECURSIVE walk AS (
  (SELECT d.caller_id, d.target, 1 AS of_caller, 1 AS turn FROM callback_deliveries d
    WHERE d.status = 'pending' AND (d.caller_id, d.target) > ($1::text, $2::text)
    ORDER BY d.caller_id, d.target LIMIT 1)
  UNION ALL
  SELECT n.caller_id, n.target, CASE WHEN n.caller_id = w.caller_id THEN w.of_caller + 1 ELSE 1 END, w.turn + 1
  FROM walk w CROSS JOIN LATERAL (
    SELECT d.caller_id, d.target FROM callback_deliveries d
    WHERE d.status = 'pending'
      AND (d.caller_id, d.target) > (w.caller_id, CASE WHEN w.of_caller >= $3::int THEN '${afterAllTargets}' ELSE w.target END)
    ORDER BY d.caller_id, d.target LIMIT 1) AS n
  WHERE w.turn < ${pageSize}
), looked AS MATERIALIZED (SELECT * FROM walk
), due AS MATERIALIZED (
  SELECT p.id, l.turn, l.caller_id, row_number() OVER (PARTITION BY l.turn ORDER BY p.next_at) AS nth
  FROM looked l LEFT JOIN unnest($4::text[], $5::text[], $6::int[]) AS b(caller_id, target, count)
    ON b.caller_id = l.caller_id AND b.target = l.target
  CROSS JOIN LATERAL (
    SELECT d.id, d.next_at FROM callback_deliveries d
    WHERE d.status = 'pending' AND d.caller_id = l.caller_id AND d.target = l.target AND d.next_at <= now()
    ORDER BY d.next_at LIMIT greatest(0, $7::int - coalesce(b.count, 0))) AS p
), ranked AS MATERIALIZED (
  SELECT id, row_number() OVER (PARTITION BY caller_id ORDER BY nth, turn) AS of_caller, turn FROM due
), chosen AS MATERIALIZED (
  SELECT d.id, d.endpoint_id FROM ranked r JOIN callback_deliveries d ON d.id = r.id
  WHERE d.status = 'pending' AND d.next_at <= now()
  ORDER BY r.of_caller, r.turn LIMIT $8 FOR UPDATE OF d SKIP LOCKED
), claimed AS (
  UPDATE callback_deliveries d SET tries = d.tries + 1, claims = d.claims + 1, claimed_by = $9,
    claimed_until = now() + $10::float8 * interval '1 millisecond', next_at = now() + $10::float8 * interval '1 millisecond',
    url = coalesce(w.url, d.url)
  FROM chosen c LEFT JOIN webhook_endpoints w ON w.id = c.endpoint_id
  WHERE d.id = c.id
  RETURNING d.id, d.execution_id, d.caller_id, d.endpoint_id, d.url, d.target, d.event, d.tries, d.claims, d.created_at,
    w.secret, CASE WHEN w.previous_ends_at > now() THEN w.previous_secret END AS previous_secret,
    d.endpoint_id IS NULL OR coalesce(w.is_active, false) AS is_active
)
SELECT claimed.*, last.turn AS last_turn, last.caller_id AS last_caller, last.target AS last_target,
  EXISTS (SELECT FROM looked WHERE of_caller >= $3::int) AS skipped
FROM (SELECT 1) AS one LEFT JOIN claimed ON true
LEFT JOIN (SELECT turn, caller_id, target FROM looked ORDER BY turn DESC LIMIT 1) AS last ON true`;

interface Row extends Omit<ClaimedDelivery, "id"> {
  id: string | null;
  last_turn: number | null;
  last_caller: string | null;
  last_target: string | null;
  skipped: boolean;
}

/**
 * Takes deliveries that are due by Postgres' clock, in turns over callers and their addresses, so that one with very many
 * holds up nobody else. What is taken becomes due again when its lease ends.
 * @throws what Postgres says
 */
export async function claimDeliveries(pool: pg.Pool, options: ClaimOptions): Promise<Claimed> {
  const { after, busy } = options;
  const { rows } = await pool.query<Row>({
    name: "claim-callbacks",
    text: statement,
    values: [
      after?.caller ?? "",
      after?.target ?? "",
      options.targetsPerCaller,
      busy.map(({ caller }) => caller),
      busy.map(({ target }) => target),
      busy.map(({ count }) => count),
      options.perTarget,
      options.room,
      options.workerId,
      options.leaseMs,
    ],
  });
  const first = rows[0];
  const last =
    first?.last_turn === pageSize && first.last_caller !== null && first.last_target !== null
      ? { caller: first.last_caller, target: first.last_target }
      : null;
  const deliveries = rows.filter((row): row is Row & { id: string } => row.id !== null);
  return { deliveries, last, skipped: first?.skipped ?? false };
}

/** What is due next. */
export interface DueCallbacks {
  /** In how many ms the earliest one is due; negative: since when it is. null: none is pending. */
  dueInMs: number | null;
  /** Whether anybody has an endpoint, so that the next execution that ends may be one to tell of. */
  endpoints: boolean;
}

/** Looks at the index for what is due; costs the same however much waits. @throws what Postgres says */
export async function readDueCallbacks(pool: pg.Pool): Promise<DueCallbacks> {
  const { rows } = await pool.query<{ due_in_ms: number | null; endpoints: boolean }>({
    name: "due-callbacks",
    text: `SELECT (SELECT extract(epoch FROM next_at - now())::float8 * 1000 FROM callback_deliveries
        WHERE status = 'pending' ORDER BY next_at LIMIT 1) AS due_in_ms,
      EXISTS (SELECT FROM webhook_endpoints WHERE is_active) AS endpoints`,
  });
  return { dueInMs: rows[0]?.due_in_ms ?? null, endpoints: rows[0]?.endpoints ?? false };
}
