import { performance } from "node:perf_hooks";
import type { FromHost } from "./protocol.ts";
import type { Outbox } from "./outbox.ts";

/** Lines kept of one execution; a loop that logs must not fill the worker's memory or disk. */
const linesPerRun = 1_000;
/** Progress is sent on at most this often, ms; the newest wins. */
const progressEveryMs = 500;

/** What one execution says while it runs, within bounds. */
export interface Voice {
  log(level: "debug" | "info" | "warn" | "error", message: string, fields: string | null): void;
  progress(fraction: number, message: string | null): void;
  /** Sends the newest progress if that is still held back, and nothing any more after it. */
  close(): void;
}

/** See {@link Voice}. */
export function createVoice(key: number | null, outbox: Outbox<FromHost>): Voice {
  let lines = 0;
  let sentAt = -Infinity;
  let timer: NodeJS.Timeout | null = null;
  let newest: { fraction: number; message: string | null } | null = null;
  let closed = false;

  function sendProgress(): void {
    timer = null;
    if (newest === null || key === null || closed) return;
    sentAt = performance.now();
    outbox.push({ kind: "progress", key, ...newest });
    newest = null;
  }

  return {
    log(level, message, fields) {
      if (closed) return;
      lines += 1;
      if (lines < linesPerRun) outbox.push({ kind: "log", key, level, message, fields });
      else if (lines === linesPerRun) {
        const last = `${linesPerRun} lines were logged; further ones are dropped`;
        outbox.push({ kind: "log", key, level: "warn", message: last, fields: null });
      }
    },
    progress(fraction, message) {
      if (key === null || closed) return;
      newest = { fraction, message };
      if (timer !== null) return;
      const wait = sentAt + progressEveryMs - performance.now();
      if (wait <= 0) sendProgress();
      else {
        timer = setTimeout(sendProgress, wait);
        timer.unref();
      }
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      sendProgress();
      closed = true;
    },
  };
}
