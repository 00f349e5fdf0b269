import type pg from "pg";
import { createBatcher } from "../batch/batcher.ts";
import { createKeyCache } from "./key-cache.ts";
import { lookUpKeys, type KnownKey } from "./look-up-keys.ts";

/** Records by id: from the cache, else from Postgres. */
export interface KeyReader {
  /** @throws what the database throws where the record is not cached */
  read(id: string): Promise<KnownKey>;
  /** Another process changed this record. */
  forget(id: string): void;
  /** How many records are cached. */
  readonly size: number;
}

export interface KeyReaderOptions {
  readonly pool: pg.Pool;
  /** A clock that never goes back, in milliseconds. */
  readonly now?: () => number;
}

/**
 * Reads records, whatever comes in: ids asked for at the same time share one statement, and an id that is
 * being read is not read a second time.
 */
export function createKeyReader({
  pool,
  now = () => performance.now(),
}: KeyReaderOptions): KeyReader {
  const cache = createKeyCache(now);
  const underWay = new Map<string, Promise<KnownKey>>();
  const batcher = createBatcher<string, KnownKey>({
    run: (ids) => lookUpKeys(pool, ids),
    maxItems: 1000,
    lanes: 1,
  });

  function readAnew(id: string): Promise<KnownKey> {
    const readAtMs = now();
    const reading = batcher.add(id).then(
      (known) => {
        // Where it was forgotten meanwhile, it may have been read before it changed.
        if (underWay.get(id) === reading) {
          underWay.delete(id);
          cache.set(id, known, readAtMs);
        }
        return known;
      },
      (error: unknown) => {
        if (underWay.get(id) === reading) underWay.delete(id);
        throw error;
      },
    );
    underWay.set(id, reading);
    return reading;
  }

  return {
    async read(id) {
      return cache.get(id) ?? underWay.get(id) ?? readAnew(id);
    },
    forget(id) {
      cache.delete(id);
      underWay.delete(id);
    },
    get size() {
      return cache.size;
    },
  };
}
