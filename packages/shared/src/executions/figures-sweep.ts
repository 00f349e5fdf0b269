import type pg from "pg";

/** Minutes that the histograms reach back. */
const keepSeconds = 330;

/** Removes histogram rows that are too old to count, and notes which engine versions are served still. */
export async function sweepFigures(pool: pg.Pool): Promise<void> {
  await pool.query({
    name: "sweep-timings",
    text: `DELETE FROM engine_timings WHERE slot < (extract(epoch FROM now())::bigint - ${keepSeconds}) / 10`,
  });
  await pool.query({
    name: "note-served",
    text: `UPDATE engine_versions v SET last_served_at = now() WHERE last_served_at < now() - interval '1 hour' AND EXISTS (
      SELECT FROM process_engines s JOIN processes p ON p.id = s.process_id
      WHERE s.engine_id = v.engine_id AND s.version = v.version AND p.lease_until > now())`,
  });
}
