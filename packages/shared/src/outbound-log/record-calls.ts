import type pg from "pg";
import { isUnavailable } from "../db/error-class.ts";
import type { Log } from "../log/log.ts";
import { createCallIds } from "./call-ids.ts";
import { toCallRow, type CallRow, type Whose } from "./call-row.ts";
import { type ToldCall } from "./told-call.ts";
import { createDropCount, type DropReason } from "./count-drops.ts";
import { insertCalls } from "./insert-calls.ts";
import type { SealResend } from "./seal-resend.ts";

/** What may wait to be written, and what one statement writes. */
export interface RecorderLimits {
  /** Calls that may wait; beyond that the newest are dropped. */
  readonly maxWaiting: number;
  /** The same in bytes of JSON, roughly: bodies may be among them. */
  readonly maxWaitingBytes: number;
  readonly maxBatch: number;
  readonly maxBatchBytes: number;
}

export const recorderLimits: RecorderLimits = {
  maxWaiting: 10_000,
  maxWaitingBytes: 32 * 1024 * 1024,
  maxBatch: 500,
  maxBatchBytes: 4 * 1024 * 1024,
};

/** Pauses between tries while Postgres is away, ms. */
const firstPauseMs = 100;
const longestPauseMs = 2_000;

export interface CallRecorderOptions {
  pool: pg.Pool;
  /** Postgres' time, ms since 1970. */
  now(): number;
  /** Hears of each failure to write. */
  onError: (error: unknown) => void;
  log: Pick<Log, "warn">;
  /** null: there is no key to keep requests with, so that none can be sent again. */
  seal: SealResend | null;
  onDropped?(count: number, reason: DropReason): void;
  limits?: RecorderLimits;
}

/** Writes the log of outbound calls in batches, off the path of the execution, through an outage of Postgres too. */
export interface CallRecorder {
  /**
   * Resolves once the call is in the record, or a first try to put it there has failed: whoever waits for it waits no
   * longer than for one statement. Never rejects.
   * @param whose null: the record is asked whose execution it was
   */
  record(call: ToldCall, whose: Whose | null): Promise<void>;
  /** Calls that wait or are being written. */
  readonly size: number;
  /** Resolves when nothing waits any more, or after this long; what still waits then is dropped, and said so. */
  close(withinMs: number): Promise<void>;
}

interface Waiting {
  readonly row: CallRow;
  readonly bytes: number;
  /** Called once a first try is over. */
  readonly tried: () => void;
}

/** See {@link CallRecorder}. */
export function createCallRecorder(options: CallRecorderOptions): CallRecorder {
  const { pool, now, onError, limits = recorderLimits } = options;
  const newId = createCallIds();
  const drops = createDropCount(options.log, options.onDropped);
  let waiting: Waiting[] = [];
  let bytes = 0;
  let inFlight = 0;
  /** Postgres is away, and is asked again when this is over. */
  let pause: NodeJS.Timeout | null = null;
  let pauseMs = firstPauseMs;
  let busy = false;
  let closed = false;
  const idle: (() => void)[] = [];

  function takeBatch(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const one of waiting) {
      if (count === limits.maxBatch) break;
      if (count > 0 && size + one.bytes > limits.maxBatchBytes) break;
      size += one.bytes;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  function done(batch: readonly Waiting[]): void {
    for (const one of batch) {
      bytes -= one.bytes;
      one.tried();
    }
  }

  /** @throws where Postgres is away; what it does not take is dropped */
  async function write(batch: readonly Waiting[]): Promise<void> {
    try {
      await insertCalls(
        pool,
        batch.map(({ row }) => row),
      );
      done(batch);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      onError(error);
      if (batch.length === 1) {
        drops.add(1, "refused");
        done(batch);
        return;
      }
      // One that Postgres does not take must not take the others along.
      const half = Math.ceil(batch.length / 2);
      await write(batch.slice(0, half));
      try {
        await write(batch.slice(half));
      } catch (failure) {
        throw new PartlyWritten(half, failure);
      }
    }
  }

  async function pump(): Promise<void> {
    if (busy || pause !== null) return;
    busy = true;
    while (waiting.length > 0 && pause === null) {
      const batch = takeBatch();
      inFlight = batch.length;
      try {
        await write(batch);
        pauseMs = firstPauseMs;
      } catch (error) {
        const left = batch.slice(writtenOf(error));
        waiting = [...left, ...waiting];
        onError(causeOf(error));
        waitAWhile();
      }
      inFlight = 0;
    }
    busy = false;
    if (waiting.length === 0) for (const resolve of idle.splice(0)) resolve();
  }

  /** Nobody waits for what cannot be written now. */
  function waitAWhile(): void {
    for (const one of waiting) one.tried();
    if (closed) {
      dropAll();
      return;
    }
    pause = setTimeout(() => {
      pause = null;
      void pump();
    }, pauseMs);
    pause.unref();
    pauseMs = Math.min(longestPauseMs, pauseMs * 2);
  }

  function dropAll(): void {
    const left = waiting.splice(0);
    if (left.length > 0) drops.add(left.length, "closing");
    done(left);
  }

  return {
    get size() {
      return waiting.length + inFlight;
    },
    record(call, whose) {
      const dropped = (reason: DropReason): Promise<void> => {
        drops.add(1, reason);
        return Promise.resolve();
      };
      if (closed) return dropped("closing");
      if (waiting.length + inFlight >= limits.maxWaiting) return dropped("full");
      let row: CallRow;
      try {
        row = toCallRow(call, { whose, now: now(), newId, seal: options.seal });
      } catch (error) {
        onError(error);
        return dropped("refused");
      }
      const size = sizeOf(row);
      if (bytes + size > limits.maxWaitingBytes) return dropped("full");
      bytes += size;
      return new Promise((resolve) => {
        waiting.push({ row, bytes: size, tried: resolve });
        if (pause === null) void pump();
        else resolve();
      });
    },
    async close(withinMs) {
      if (waiting.length + inFlight > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        idle.push(resolve);
        const timer = setTimeout(resolve, withinMs);
        await promise;
        clearTimeout(timer);
      }
      closed = true;
      if (pause !== null) clearTimeout(pause);
      dropAll();
      drops.close();
    },
  };
}

/** Some of a batch is in the record, or dropped, and the rest is not. */
class PartlyWritten extends Error {
  readonly written: number;

  constructor(written: number, cause: unknown) {
    super("not all calls could be written", { cause });
    this.written = written + writtenOf(cause);
  }
}

function writtenOf(error: unknown): number {
  return error instanceof PartlyWritten ? error.written : 0;
}

function causeOf(error: unknown): unknown {
  return error instanceof PartlyWritten ? causeOf(error.cause) : error;
}

function sizeOf(row: CallRow): number {
  const { request_headers, response_headers, request_body, response_body, resend } = row;
  return (
    1_000 +
    row.path.length +
    [request_body, response_body, resend].reduce((sum, text) => sum + (text?.length ?? 0), 0) +
    [request_headers, response_headers].reduce((sum, all) => sum + lengthOf(all), 0)
  );
}

function lengthOf(headers: Readonly<Record<string, string>> | null): number {
  let length = 0;
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0);
  return length;
}
