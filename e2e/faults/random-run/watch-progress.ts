import type { Bed } from "../bed/bed.ts";
import { describeUnfinished } from "../ledger/unfinished.ts";

const everyMs = 1_000;

export interface ProgressWatch {
  /** Never resolves; rejects with what is unfinished when nothing has started or ended for too long. */
  readonly stuck: Promise<never>;
  stop(): void;
}

/** @param limitMs how long nothing may start or end while something is unfinished */
export function watchProgress(bed: Bed, limitMs: number): ProgressWatch {
  let lastSeen = -1;
  let lastAt = performance.now();
  let timer: NodeJS.Timeout;
  let stopped = false;
  const stuck = new Promise<never>((_resolve, reject) => {
    const look = async (): Promise<void> => {
      try {
        const [row] = await bed.query<{ seen: number; unfinished: number }>(
          `SELECT coalesce(max(seq), 0)::int AS seen,
              (SELECT count(*)::int FROM executions WHERE deadline_at IS NOT NULL) AS unfinished
             FROM bed.moves WHERE "from" IS NOT NULL AND "to" NOT IN ('scheduled', 'queued')`,
        );
        if (row !== undefined && (row.seen !== lastSeen || row.unfinished === 0)) {
          lastSeen = row.seen;
          lastAt = performance.now();
        }
      } catch {
        // Postgres is away, which is no progress either.
      }
      if (performance.now() - lastAt > limitMs) {
        reject(
          new Error(
            `nothing started or ended for ${limitMs / 1_000} s:\n${await describeUnfinished(bed)}`,
          ),
        );
      } else if (!stopped) timer = setTimeout(() => void look(), everyMs);
    };
    timer = setTimeout(() => void look(), everyMs);
  });
  stuck.catch(() => undefined);
  return {
    stuck,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
