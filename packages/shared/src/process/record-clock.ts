/**
 * Postgres' clock, reckoned from what it last said and the time that has passed here since. Whatever is set against a
 * time of the record (is it due, how old is it, which came first) is set against this one: a process's own clock may be
 * minutes off, and each one by something else.
 */
export interface RecordClock {
  /** Postgres' time in ms since 1970, a round trip behind it at most. */
  now(): number;
  /** Hears what Postgres says its time is, in the answer that has just arrived. */
  hear(time: Date): void;
}

/** See {@link RecordClock}. @param heard Postgres' time, just arrived */
export function createRecordClock(heard: Date): RecordClock {
  // Monotonic: it does not leap where somebody puts the clock of this machine right.
  let aheadMs = heard.getTime() - performance.now();
  return {
    now: () => performance.now() + aheadMs,
    hear(time) {
      aheadMs = time.getTime() - performance.now();
    },
  };
}
