import type { KnownKey } from "./look-up-keys.ts";

/** A revocation whose signal was lost is felt after this time, and so within 5 s with the request itself. */
const maxAgeMs = 4000;
const maxEntries = 10_000;

interface Entry {
  readonly known: KnownKey;
  readonly untilMs: number;
}

/** Records read within the last 4 s, bounded. */
export interface KeyCache {
  get(id: string): KnownKey | undefined;
  /** @param readAtMs when the reading began, by `now` */
  set(id: string, known: KnownKey, readAtMs: number): void;
  delete(id: string): void;
  readonly size: number;
}

/**
 * Ids that may not come in are kept apart, so that a flood of made-up keys never pushes out a good one.
 * @param now a clock that never goes back, in milliseconds
 */
export function createKeyCache(now: () => number): KeyCache {
  const good = boundedMap();
  const bad = boundedMap();
  return {
    get(id) {
      const entry = good.get(id) ?? bad.get(id);
      return entry !== undefined && entry.untilMs > now() ? entry.known : undefined;
    },
    set(id, known, readAtMs) {
      good.delete(id);
      bad.delete(id);
      const untilMs = readAtMs + Math.min(maxAgeMs, known.holdsMs);
      if (untilMs > now()) (known.caller === null ? bad : good).set(id, { known, untilMs });
    },
    delete(id) {
      good.delete(id);
      bad.delete(id);
    },
    get size() {
      return good.size + bad.size;
    },
  };
}

/** A map that drops its oldest entry for a new one when it is full. */
function boundedMap() {
  const entries = new Map<string, Entry>();
  return {
    get: (id: string) => entries.get(id),
    delete: (id: string) => entries.delete(id),
    set(id: string, entry: Entry) {
      if (entries.size >= maxEntries) {
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
      entries.set(id, entry);
    },
    get size() {
      return entries.size;
    },
  };
}
