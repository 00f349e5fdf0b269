import type { Ready } from "@tl-engine/contract";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { Queue } from "@tl-engine/shared/queue/queue.ts";
import { withDeadline } from "./with-deadline.ts";

export interface ReadinessOptions {
  db: Database;
  queue: Queue;
  /** Whether the queue is on Redis; otherwise it shares Postgres' fate. */
  onRedis: boolean;
  /** Why this process cannot record yet; null once it can. */
  waitsFor(): string | null;
  isClosing(): boolean;
  /** What was found about the surroundings. */
  degraded(): string[];
}

/** Answers within this time also where nobody answers us, ms. */
const patienceMs = 1_500;

/**
 * Whether the API is able to work: it needs Postgres, and does without Redis (submits are recorded and enqueued later),
 * which shows as degraded.
 */
export function createReadiness(options: ReadinessOptions): () => Promise<Ready> {
  const { db, queue, onRedis, waitsFor, isClosing } = options;
  return async () => {
    const [database, redis] = await Promise.all([
      answers(db.pool.query("SELECT 1")),
      onRedis ? withDeadline(queue.health(), patienceMs).catch(() => null) : undefined,
    ]);
    const reasons: string[] = [];
    if (isClosing()) reasons.push("shutting_down");
    if (!database) reasons.push("postgres");
    const waiting = waitsFor();
    if (waiting !== null && database) reasons.push(waiting);
    return {
      status: reasons.length === 0 ? "ready" : "not_ready",
      reasons,
      degraded: [
        ...(redis === undefined ? [] : redis?.ok === true ? redis.reasons : ["redis"]),
        ...options.degraded(),
      ],
    };
  };
}

async function answers(work: Promise<unknown>): Promise<boolean> {
  return withDeadline(work, patienceMs).then(
    () => true,
    () => false,
  );
}
