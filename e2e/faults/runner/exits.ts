import type { Bed } from "../bed/bed.ts";
import { describeUnfinished } from "../ledger/unfinished.ts";
import { eventually } from "../../support/eventually.ts";

/** How much later than a deadline the leader may end what is past it, seconds: its turns, and a new leader. */
const lateSeconds = 10;

/**
 * No state without an exit (D13), looked at after every case.
 *
 * @throws Error with what is unfinished or past its deadline
 */
export async function checkExits(bed: Bed, withinMs: number): Promise<void> {
  await eventually(
    "every execution is in a terminal state, and none is older than its deadline",
    async () => {
      const [row] = await bed.query<{ unfinished: number; late: number }>(
        `SELECT count(*)::int AS unfinished,
            count(*) FILTER (WHERE deadline_at < now() - $1 * interval '1 second')::int AS late
           FROM executions WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired')`,
        [lateSeconds],
      );
      if (row?.late !== 0) throw new Error(`${row?.late} are past their deadline`);
      if (row.unfinished !== 0) throw new Error(`${row.unfinished} are unfinished`);
      return true;
    },
    { withinMs, everyMs: 100 },
  ).catch(async (error: unknown) => {
    throw new Error(
      `D13: ${String((error as Error).cause ?? error)}\n${await describeUnfinished(bed)}`,
      { cause: error },
    );
  });
}
