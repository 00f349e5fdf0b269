import type pg from "pg";

export interface LastUsedWriter {
  /** Notes that a key was used. Costs nothing on the request's way. */
  touch(keyId: string): void;
  close(): Promise<void>;
}

export interface LastUsedOptions {
  readonly pool: pg.Pool;
  readonly onError: (error: unknown) => void;
  /** A key is written at most once in this time by one process. */
  readonly everyMs?: number;
  /** Keys used within this time share one statement. */
  readonly gatherMs?: number;
}

/**
 * Rows are locked in the order of their ids and skipped where another process holds them; what that one wrote
 * within the minute is not written again.
 */
const statement = `
UPDATE api_keys SET last_used_at = now() WHERE id IN (
  SELECT id FROM api_keys
  WHERE id = ANY($1) AND (last_used_at IS NULL OR last_used_at <= now() - $2::float8 * interval '1 ms')
  ORDER BY id FOR UPDATE SKIP LOCKED
)`;

/** Writes `last_used_at` beside the requests, for many keys at once. */
export function createLastUsedWriter(options: LastUsedOptions): LastUsedWriter {
  const { pool, onError, everyMs = 60_000, gatherMs = 1000 } = options;
  const writtenAt = new Map<string, number>();
  const waiting = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    timer = undefined;
    if (waiting.size === 0) return;
    const ids = [...waiting];
    waiting.clear();
    const now = performance.now();
    for (const [id, at] of writtenAt) if (now - at >= everyMs) writtenAt.delete(id);
    for (const id of ids) writtenAt.set(id, now);
    // What is lost with a failure is written when the key is used again after the time is up.
    await pool.query(statement, [ids, everyMs]).then(() => undefined, onError);
  }

  return {
    touch(keyId) {
      const at = writtenAt.get(keyId);
      if (at !== undefined && performance.now() - at < everyMs) return;
      waiting.add(keyId);
      timer ??= setTimeout(() => void (writing = write()), gatherMs).unref();
    },
    async close() {
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
