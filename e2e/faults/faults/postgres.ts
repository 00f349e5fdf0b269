import { setTimeout as delay } from "node:timers/promises";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { Fault } from "./fault.ts";

/** Ends every session of the bed's database but our own. @returns how many there were */
export async function cutSessions(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    `SELECT count(pg_terminate_backend(pid))::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  );
  return row?.count ?? 0;
}

/** Cuts all sessions each `everyMs`, for so long. @returns how many sessions were cut */
export async function cutSessionsFor(bed: Bed, lastsMs: number, everyMs: number): Promise<number> {
  let cut = 0;
  for (const until = performance.now() + lastsMs; performance.now() < until;) {
    cut += await cutSessions(bed);
    await delay(everyMs);
  }
  return cut;
}

export const postgresAway: Fault = {
  name: "Postgres killed",
  backends: bothBackends,
  async strike(bed, _context, lastsMs) {
    await bed.postgres.kill();
    await delay(lastsMs);
    await bed.postgres.start();
  },
};

export const sessionsCut: Fault = {
  name: "pg_terminate_backend for all, each 2 s",
  backends: bothBackends,
  strike: async (bed, _context, lastsMs) => void (await cutSessionsFor(bed, lastsMs, 2_000)),
};
