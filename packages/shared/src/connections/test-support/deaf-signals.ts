import type { Signals } from "../../signals/signals.ts";

/** Signals that nobody hears. */
export const deafSignals: Signals = {
  publish: () => undefined,
  subscribe: () => undefined,
  close: async () => undefined,
};
