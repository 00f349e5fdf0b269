import type { ConnectionCircuit } from "@tl-engine/contract";
import type pg from "pg";
import { blockedByOf } from "../executions/release-parked.ts";
import { windowParts } from "./count-outcomes.ts";

interface Row {
  state: ConnectionCircuit["state"];
  until: Date | null;
  openings: number;
  calls: number;
  failures: number;
}

/** More are not counted. */
const maxParked = 10_000;

/** The parts of the window that are not over yet. */
const within = (counts: string): string =>
  `(SELECT coalesce(sum(n), 0)::int FROM unnest(b.${counts}) WITH ORDINALITY AS c(n, nth)
    WHERE b.part_ms > 0 AND b.part - nth + 1 > floor(extract(epoch FROM now()) * 1000 / b.part_ms) - ${windowParts})`;

/** How a connection's circuit is, as it is shown. One that nobody ever called through is closed. */
export async function describeCircuit(
  pool: pg.Pool,
  connectionId: string,
): Promise<ConnectionCircuit> {
  const [circuit, waiting] = await Promise.all([
    pool.query<Row>({
      name: "describe-circuit",
      text: `SELECT b.state, coalesce(b.probe_until, b.retry_at) AS until, b.openings, ${within("calls")} AS calls,
          ${within("failures")} AS failures
        FROM connection_breakers b WHERE b.connection_id = $1`,
      values: [connectionId],
    }),
    pool.query<{ parked: number }>({
      name: "count-parked",
      text: `SELECT count(*)::int AS parked FROM (SELECT FROM executions e
          WHERE e.blocked_by = $1 AND e.status = 'queued' AND e.wait_reason = 'circuit_open' AND e.due_at IS NULL
          LIMIT ${maxParked}) AS parked`,
      values: [blockedByOf(connectionId)],
    }),
  ]);
  const { state, until, openings, calls, failures } = circuit.rows[0] ?? {
    state: "closed",
    until: null,
    openings: 0,
    calls: 0,
    failures: 0,
  };
  const parked = waiting.rows[0]?.parked ?? 0;
  return { state, until: until?.toISOString() ?? null, openings, calls, failures, parked };
}
