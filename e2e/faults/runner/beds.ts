import { startBed, type Bed, type BedOptions } from "../bed/bed.ts";
import type { Backend } from "../backend.ts";

/** Whoever starts beds has to take them down. */
export interface Beds {
  /** A bed for one case: a fresh one, or the one that the last case left in order. */
  take(backend: Backend, options: BedOptions): Promise<Bed>;
  /** Those of the case that runs now. */
  readonly taken: readonly Bed[];
  /** @param inOrder false: the case failed, and nobody else gets what it leaves */
  giveBack(inOrder: boolean): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param keep whether a bed is kept for the next case that asks for the same: starting one takes longer than many a
 *   case of the short set
 */
export function createBeds({ keep, leaseSeconds }: { keep: boolean; leaseSeconds: number }): Beds {
  let kept: { bed: Bed; likeness: string } | null = null;
  let taken: { bed: Bed; likeness: string }[] = [];

  async function removeKept(): Promise<void> {
    await kept?.bed.remove();
    kept = null;
  }

  return {
    async take(backend, options) {
      const likeness = JSON.stringify([
        backend,
        { ...options, engines: [...options.engines].sort() },
      ]);
      const mayBeKept = keep && options.alone !== true && options.beforeServices === undefined;
      if (mayBeKept && kept?.likeness === likeness) {
        const { bed } = kept;
        taken.push(kept);
        kept = null;
        bed.sink.forget();
        await bed.complete();
        return bed;
      }
      // Two beds at once would share two cores.
      await removeKept();
      const bed = await startBed(backend, leaseSeconds, options);
      taken.push({ bed, likeness: mayBeKept ? likeness : "" });
      return bed;
    },
    get taken() {
      return taken.map(({ bed }) => bed);
    },
    async giveBack(inOrder) {
      const [one, ...others] = taken;
      taken = [];
      await Promise.all(others.map(({ bed }) => bed.remove()));
      if (one === undefined) return;
      if (inOrder && one.likeness !== "") kept = one;
      else await one.bed.remove();
    },
    async close() {
      await Promise.all(taken.map(({ bed }) => bed.remove()));
      taken = [];
      await removeKept();
    },
  };
}
