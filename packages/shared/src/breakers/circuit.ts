import type { BreakerPolicy, Connection } from "@tl-engine/outbound";

/** What a breaker has to know of a connection. */
export type GuardedConnection = Pick<Connection, "id" | "revision" | "breaker">;

/** The same of one that has a breaker. */
export interface BreakingConnection extends GuardedConnection {
  readonly breaker: BreakerPolicy;
}

/** `closed`: calls go through; `open`: none does; `half_open`: one does, and decides. */
export type CircuitState = "closed" | "open" | "half_open";

/** A circuit as Postgres has it. */
export interface Circuit {
  readonly connectionId: string;
  readonly state: CircuitState;
  /** Grows with every change of state. */
  readonly generation: number;
  /** How often in a row it was opened: once, and once more for each probe that failed. */
  readonly openings: number;
  /** Until it may be tried, or until the call that tries it is taken for lost, ms from when this was read; closed: null. */
  readonly waitMs: number | null;
}

/** The row that {@link circuitColumns} make. */
export interface CircuitRow {
  connection_id: string;
  state: CircuitState;
  generation: string;
  openings: number;
  wait_ms: number | null;
}

/** The select list that makes a {@link CircuitRow} of `connection_breakers b`. */
export const circuitColumns = `b.connection_id, b.state, b.generation, b.openings,
  extract(epoch FROM CASE b.state WHEN 'open' THEN b.retry_at WHEN 'half_open' THEN b.probe_until END
    - clock_timestamp())::float8 * 1000 AS wait_ms`;

export function circuitOf(row: CircuitRow): Circuit {
  return {
    connectionId: row.connection_id,
    state: row.state,
    generation: Number(row.generation),
    openings: row.openings,
    waitMs: row.wait_ms,
  };
}
