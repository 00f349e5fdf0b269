import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@tl-engine/shared/db/database.ts";
import { pendingMigrations } from "@tl-engine/shared/db/migrate.ts";
import { untilAvailable } from "@tl-engine/shared/executions/until-available.ts";

/**
 * Waits until Postgres is there and has the schema that this build needs: a worker may be started before either.
 * @param onWait hears what is waited for, and what Postgres' absence looks like, at each look; the same may come again
 * @throws the signal's reason when it aborts, and what Postgres says for good (a wrong password, no such database)
 */
export async function waitForRecord(
  db: Database,
  onWait: (reason: "postgres" | "migrations", why?: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  onWait("postgres");
  for (;;) {
    const pending = await untilAvailable(() => pendingMigrations(db.pool), {
      signal,
      onError: (error) => onWait("postgres", error),
    });
    if (pending.length === 0) return;
    onWait("migrations");
    await sleep(500, undefined, { signal });
  }
}
