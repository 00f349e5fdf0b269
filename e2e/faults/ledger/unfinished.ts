import type { Bed } from "../bed/bed.ts";

/** What is to be known of executions that have not ended, from the record itself. Never throws. */
export async function describeUnfinished(
  bed: Bed,
  ids: readonly string[] | null = null,
): Promise<string> {
  try {
    const rows = await bed.query<{ line: string }>(
      `SELECT format('  %s %s@%s %s%s dispatch %s attempt %s losses %s%s, ready %s ago, deadline in %s, worker %s, enqueuer %s; earlier: %s',
          id, engine_id, version, status, coalesce(' (' || wait_reason || ')', ''), dispatch, attempt, losses,
          CASE WHEN alone THEN ' alone' ELSE '' END, now() - ready_at, deadline_at - now(), worker_id, enqueuer,
          coalesce(earlier_attempts::text, '–')) AS line
         FROM executions WHERE deadline_at IS NOT NULL AND ($1::uuid[] IS NULL OR id = ANY ($1)) ORDER BY id LIMIT 20`,
      [ids],
    );
    const processes = await bed.query<{ line: string }>(
      `SELECT format('  %s %s pid %s, lease %s, enqueued through %s%s', kind, id, pid, lease_until - now(), enqueued_through,
          CASE WHEN draining THEN ', draining' ELSE '' END) AS line FROM processes ORDER BY kind, started_at`,
    );
    const leader = await bed.query<{ line: string }>(
      "SELECT format('  leader %s, lease %s, ticks %s', process_id, lease_until - now(), ticks) AS line FROM leader",
    );
    return [...rows, ...processes, ...leader].map(({ line }) => line).join("\n");
  } catch (error) {
    return `  the record cannot be read: ${String(error)}`;
  }
}
