import type { Bed } from "../bed/bed.ts";
import type { Backend } from "../backend.ts";

/** What a fault may draw on. */
export interface FaultContext {
  /** Seeded: 0 ≤ x < 1. */
  random(): number;
  between(from: number, to: number): number;
}

/** Something bad that happens to a bed. */
export interface Fault {
  readonly name: string;
  readonly backends: readonly Backend[];
  /** Resolves when it is over: processes that died were started anew, as a supervisor does, and servers are back. */
  strike(bed: Bed, context: FaultContext, lastsMs: number): Promise<void>;
}

/** One of them, drawn. */
export function oneOf<T>({ between }: FaultContext, all: readonly T[], what: string): T {
  const one = all[between(0, all.length - 1)];
  if (one === undefined) throw new Error(`There is no ${what} to strike`);
  return one;
}
