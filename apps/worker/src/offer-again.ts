import { setTimeout as sleep } from "node:timers/promises";
import type { ServedEngine } from "./served-engine.ts";

/** How often a version that was refused is offered again, ms. */
const everyMs = 5_000;

export interface OfferAgainOptions {
  /** Versions that are published with another content, and were in use when this worker started. */
  refused: readonly ServedEngine[];
  /** Resolves with those that may be served now. */
  publish(engines: readonly ServedEngine[]): Promise<readonly ServedEngine[]>;
  serve(engine: ServedEngine): Promise<void>;
  signal: AbortSignal;
  onError: (error: unknown) => void;
}

/**
 * Offers what was refused again until it is taken: in a rolling deploy the new workers start while the old ones live, and
 * without this nobody would serve the version once those are gone.
 */
export async function offerAgain(options: OfferAgainOptions): Promise<void> {
  const { publish, serve, signal, onError } = options;
  let refused = options.refused;
  while (refused.length > 0) {
    try {
      await sleep(everyMs, undefined, { signal, ref: false });
      const taken = await publish(refused);
      for (const engine of taken) {
        await serve(engine);
        refused = refused.filter((one) => one !== engine);
      }
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
    }
  }
}
