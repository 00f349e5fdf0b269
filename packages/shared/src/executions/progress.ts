import { createBatcher } from "../batch/batcher.ts";
import type pg from "pg";
import type { Signals } from "../signals/signals.ts";
import { cleanText } from "./error.ts";

/** How far a running execution says it is. */
export interface ProgressReport {
  id: string;
  dispatch: number;
  /** 0 to 1. */
  fraction: number;
  message: string | null;
}

export interface ProgressWriter {
  /**
   * Of several for one execution that are waiting the last counts. Resolves when it is written, or cannot be; never
   * rejects.
   */
  set(report: ProgressReport): Promise<void>;
}

/** Writes progress in batches; a report that cannot be written is lost, since a newer one follows or the end does. */
export function createProgressWriter(
  pool: pg.Pool,
  signals: Signals,
  onError: (error: unknown) => void,
): ProgressWriter {
  const latest = new Map<string, { report: ProgressReport; written: Promise<void> }>();
  const batcher = createBatcher<string, void>({
    maxItems: 256,
    lanes: 1,
    async run(keys) {
      const reports = keys.flatMap((key) => {
        const waiting = latest.get(key);
        latest.delete(key);
        return waiting === undefined ? [] : [waiting.report];
      });
      await pool.query({
        name: "write-progress",
        // As in give-back.ts: found, and locked, by id.
        text: `UPDATE executions e SET progress = json_build_object('fraction', p.fraction, 'message', p.message,
            'updated_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
          FROM (SELECT * FROM unnest($1::uuid[], $2::int[], $3::float8[], $4::text[])
            AS p(id, dispatch, fraction, message) ORDER BY id) AS p
          WHERE e.id = p.id AND e.dispatch = p.dispatch AND e.status || '' = 'running'`,
        values: [
          reports.map((report) => report.id),
          reports.map((report) => report.dispatch),
          reports.map((report) => Math.min(1, Math.max(0, report.fraction || 0))),
          reports.map((report) =>
            report.message === null ? null : cleanText(report.message, 500),
          ),
        ],
      });
      signals.publish("settled", reports.map((report) => report.id).join(","));
      return keys.map(() => undefined);
    },
  });
  return {
    set(report) {
      const key = `${report.id}/${report.dispatch}`;
      const waiting = latest.get(key);
      if (waiting !== undefined) {
        waiting.report = report;
        return waiting.written;
      }
      // Before it is added: a free batcher takes it at once.
      const entry = { report, written: Promise.resolve() };
      latest.set(key, entry);
      entry.written = batcher.add(key).catch(onError);
      return entry.written;
    },
  };
}
