import { pino, stdTimeFunctions, type DestinationStream, type Logger } from "pino";
import { logLevels } from "../config/config.ts";
import { keepFields, type Fields } from "./keep-fields.ts";
import { scrubText } from "./scrub-text.ts";

export type { Fields } from "./keep-fields.ts";

/** The process's log: JSON lines on standard output. One wide line per request and per attempt. */
export interface Log {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  fatal(fields: Fields, message: string): void;
  /** A log whose every line carries these fields. */
  child(fields: Fields): Log;
}

export interface LogOptions {
  readonly level: (typeof logLevels)[number];
  readonly app: "api" | "worker" | "local" | "migrate";
  /** Where lines go; standard output where it is left out. */
  readonly destination?: DestinationStream;
}

/**
 * Opens the process's log. Only the fields named in `field-names.ts` are written, errors (as `err`) as name,
 * message, code and stack.
 * @example log.info({ execution_id, engine, duration_ms }, "attempt finished");
 */
export function createLog({ level, app, destination }: LogOptions): Log {
  const options = {
    level,
    base: { app, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // pino would describe `err` a second time.
    serializers: { err: (described: unknown) => described },
  };
  return wrap(pino(options, destination ?? standardOutput()));
}

/**
 * Lines that come while one is being written go out together: one write for each line costs a busy process a tenth of
 * its time. What is left is written when the process ends.
 */
function standardOutput(): DestinationStream {
  return pino.destination({ fd: 1, sync: false });
}

/** A log for tests and for parts that are used without one. */
export const silentLog: Log = createLog({
  level: "silent",
  app: "local",
  destination: { write: () => {} },
});

/** pino alone would write whole objects, and format `%o` into messages: nothing reaches it unfiltered. */
function wrap(logger: Logger): Log {
  const line =
    (level: "debug" | "info" | "warn" | "error" | "fatal") => (fields: Fields, message: string) => {
      if (logger.isLevelEnabled(level)) logger[level](keepFields(fields), "%s", scrubText(message));
    };
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    fatal: line("fatal"),
    child: (fields) => wrap(logger.child(keepFields(fields))),
  };
}
