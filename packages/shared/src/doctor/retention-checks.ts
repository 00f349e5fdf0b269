import type pg from "pg";
import type { Config } from "../config/config.ts";
import { error, ok, warning, type Finding } from "./finding.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Removal may be so late before somebody should know of it, ms. */
const lateMs = dayMs;

type RetentionSettings = Pick<Config, "retentionMs" | "tombstoneRetentionMs">;

/** Whether the settings make sense together. */
export function checkRetentionSettings(settings: RetentionSettings): Finding[] {
  const { retentionMs, tombstoneRetentionMs } = settings;
  const detail = `TL_RETENTION ${words(retentionMs)}, TL_TOMBSTONE_RETENTION ${words(tombstoneRetentionMs)}`;
  if (retentionMs < hourMs) {
    return [
      warning(
        "retention.settings",
        "Results leave within the hour",
        `${detail}; a caller who was away for that long finds a 410 instead of its result`,
        "TL_RETENTION=7d",
      ),
    ];
  }
  if (tombstoneRetentionMs < retentionMs) {
    return [
      warning(
        "retention.settings",
        "Tombstones leave before the results do",
        `${detail}; who asks for an execution that left finds a 404 instead of a 410`,
        "TL_TOMBSTONE_RETENTION=90d",
      ),
    ];
  }
  if (retentionMs > 366 * dayMs) {
    return [
      warning(
        "retention.settings",
        "Results stay for more than a year",
        `${detail}; disk, backups and migrations grow with them`,
        "TL_RETENTION=30d",
      ),
    ];
  }
  return [ok("retention.settings", "Retention", detail)];
}

/** Whether what should have left has left. Looks at the thousand oldest only: ids carry their time. */
export async function checkRemoval(pool: pg.Pool, settings: RetentionSettings): Promise<Finding[]> {
  const { rows } = await pool.query<{ age_ms: number | null }>(
    `SELECT extract(epoch FROM now() - min(finished_at))::float8 * 1000 AS age_ms
     FROM (SELECT finished_at FROM executions ORDER BY id LIMIT 1000) AS oldest`,
  );
  const age = rows[0]?.age_ms ?? 0;
  const late = age - settings.retentionMs;
  if (late <= lateMs) return [ok("retention.removal", "Nothing stays longer than it should")];
  return [
    error(
      "retention.removal",
      "Finished executions are not removed",
      `the oldest finished ${words(age)} ago, and TL_RETENTION is ${words(settings.retentionMs)}`,
      "docker compose logs api worker | grep -e reconciled -e removed   # the leader removes them; then restart it",
    ),
  ];
}

function words(ms: number): string {
  if (ms >= 2 * dayMs) return `${Math.round(ms / dayMs)} d`;
  return ms >= 2 * hourMs ? `${Math.round(ms / hourMs)} h` : `${Math.round(ms / 1000)} s`;
}
