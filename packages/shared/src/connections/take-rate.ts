import type pg from "pg";

/** A connection that bounds how many calls are made in a time, over all processes. */
export interface RatedConnection {
  readonly id: string;
  readonly rate: { readonly limit: number; readonly perMs: number };
}

/** When a call may be made: in so many ms; parked: it has to come again then. */
export interface Slot {
  readonly inMs: number;
  readonly isParked: boolean;
}

/** What has to wait for longer than this is parked, ms. */
const longestWaitMs = 2_000;

// The first number of this window, and the first of those that are too far away to wait for.
const current = `(floor(extract(epoch FROM now()) * 1000 / excluded.window_ms)::bigint * excluded.per_window)`;
const beyond = `((floor((extract(epoch FROM now()) * 1000 + ${longestWaitMs}) / excluded.window_ms)::bigint + 1) * excluded.per_window)`;
const isSame = `(r.window_ms = excluded.window_ms AND r.per_window = excluded.per_window)`;
const start = `(CASE WHEN ${isSame} THEN greatest(r.next_call, ${current}) ELSE ${current} END)`;
const granted = `(greatest(0, least(excluded.granted, ${beyond} - ${start}))::int)`;
const parkedStart = `(CASE WHEN ${isSame} THEN greatest(r.next_parked, ${beyond}) ELSE ${beyond} END)`;
const inNew = (sql: string): string => sql.replaceAll("excluded.", "r.");

const statement = `
INSERT INTO connection_rates AS r (connection_id, per_window, window_ms, next_call, next_parked, granted)
VALUES ($1, $2, $3, 0, 0, $4)
ON CONFLICT (connection_id) DO UPDATE SET per_window = excluded.per_window, window_ms = excluded.window_ms,
  next_call = ${start} + ${granted}, granted = ${granted}, next_parked = ${parkedStart} + excluded.granted - ${granted}
RETURNING r.granted, (r.next_call - r.granted - ${inNew(current)})::float8 AS first,
  (r.next_parked - ($4::int - r.granted) - ${inNew(current)})::float8 AS first_parked,
  (r.window_ms - mod((extract(epoch FROM now()) * 1000)::numeric, r.window_ms::numeric))::float8 AS left_ms`;

/**
 * Takes the next calls that a connection's rate allows, as many as are asked for, in their order. Windows are all equally
 * long and lie as 1970 has it, so that around the end of one there may be two limits' worth of calls in a window's time.
 * What would have to wait for more than 2 s takes none; such are told to come again one window's worth after the other.
 */
export async function takeRate(
  pool: pg.Pool,
  { id, rate }: RatedConnection,
  count: number,
): Promise<Slot[]> {
  const ask = async () => {
    const { rows } = await pool.query<{
      granted: number;
      first: number;
      first_parked: number;
      left_ms: number;
    }>({ name: "take-rate", text: statement, values: [id, rate.limit, rate.perMs, count] });
    return rows[0];
  };
  let taken = await ask();
  // The row is there now, and nothing was taken by making it.
  if (taken !== undefined && taken.first < 0) taken = await ask();
  if (taken === undefined) throw new Error("Postgres said nothing");
  const { granted: given, first, first_parked, left_ms } = taken;
  return Array.from({ length: count }, (_, nth) => {
    const isParked = nth >= given;
    const number = isParked ? first_parked + nth - given : first + nth;
    const windows = Math.floor(number / rate.limit);
    return { inMs: windows <= 0 ? 0 : left_ms + (windows - 1) * rate.perMs, isParked };
  });
}
