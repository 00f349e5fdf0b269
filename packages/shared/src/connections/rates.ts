import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { createBatcher, type Batcher } from "../batch/batcher.ts";
import { untilAvailable } from "../executions/until-available.ts";
import { takeRate, type RatedConnection, type Slot } from "./take-rate.ts";

/** Bounds how many calls are made in a time through a connection, over all processes. */
export interface Rates {
  /**
   * Waits until one more call may be made, if that is soon.
   * @returns null: now; else in how many ms it should be tried again, since that is too long to wait
   * @throws the signal's reason
   */
  enter(connection: RatedConnection, signal: AbortSignal): Promise<number | null>;
}

export interface RatesOptions {
  pool: pg.Pool;
  onError: (error: unknown) => void;
}

/** Most calls that one statement asks for. */
const maxAsks = 1_000;

/** See {@link Rates}; calls that come while a statement is in flight share the next one. */
export function createRates({ pool, onError }: RatesOptions): Rates {
  const asking = new Map<string, Batcher<RatedConnection, Slot>>();

  async function ask(connection: RatedConnection): Promise<Slot> {
    const { id } = connection;
    let batcher = asking.get(id);
    if (batcher === undefined) {
      batcher = createBatcher<RatedConnection, Slot>({
        maxItems: maxAsks,
        lanes: 1,
        // It may have been changed meanwhile: the newest counts.
        run: async (asked) => takeRate(pool, asked.at(-1) ?? connection, asked.length),
      });
      asking.set(id, batcher);
    }
    try {
      return await batcher.add(connection);
    } finally {
      if (batcher.size === 0 && asking.get(id) === batcher) asking.delete(id);
    }
  }

  return {
    async enter(connection, signal) {
      const { inMs, isParked } = await untilAvailable(() => ask(connection), { signal, onError });
      signal.throwIfAborted();
      if (isParked) return inMs;
      if (inMs > 0) {
        await sleep(inMs, undefined, { signal }).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : error;
        });
      }
      return null;
    },
  };
}
