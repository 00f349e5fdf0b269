import type { Ready } from "@tl-engine/contract";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { Queue } from "@tl-engine/shared/queue/queue.ts";

export interface ReadinessOptions {
  db: Database;
  /** null while it is not open yet. */
  queue(): Queue | null;
  /** Why this worker takes nothing yet, or any more; null while it does. */
  waitsFor(): string | null;
  /** What was found about the surroundings. */
  degraded(): string[];
}

/** Answers within this time also where nobody answers us, ms. */
const patienceMs = 1_500;

/** Whether the worker is able to work: it needs Postgres, its queue, and its engines loaded. */
export function createReadiness(options: ReadinessOptions): () => Promise<Ready> {
  const { db, queue, waitsFor } = options;
  return async () => {
    const reasons: string[] = [];
    const degraded = options.degraded();
    const waiting = waitsFor();
    if (waiting !== null) reasons.push(waiting);
    const [database, health] = await Promise.all([
      inTime(db.pool.query("SELECT 1")),
      inTime(queue()?.health() ?? Promise.resolve({ ok: true, reasons: [] })),
    ]);
    if (database === null && !reasons.includes("postgres")) reasons.push("postgres");
    if (health === null || !health.ok) reasons.push("queue");
    else degraded.unshift(...health.reasons);
    return { status: reasons.length === 0 ? "ready" : "not_ready", reasons, degraded };
  };
}

async function inTime<T>(work: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), patienceMs);
  try {
    return await Promise.race([work, late.promise]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
