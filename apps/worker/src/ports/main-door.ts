import type { AllowRules, Outbound } from "@tl-engine/outbound";
import { parseAllowList } from "@tl-engine/outbound/allow-list";

/** The way to the outside of the worker's own thread: for what it calls itself, not for engines. */
export interface MainDoor {
  /** Opens where connections may lead. */
  forConnections(): Promise<Outbound>;
  /** Opens where addresses that callers gave may lead: the `callback:` entries of TL_OUTBOUND_ALLOW. */
  forCallbacks(): Promise<Outbound>;
  close(): Promise<void>;
}

/**
 * See {@link MainDoor}. Either is opened by the first who needs it: its code takes some 20 MiB, which many workers
 * never use.
 * @param outboundAllow TL_OUTBOUND_ALLOW as it was given
 */
export function createMainDoor(outboundAllow: string): MainDoor {
  const opened: Promise<Outbound>[] = [];
  const opener = (kind: "engines" | "callbacks"): (() => Promise<Outbound>) => {
    let opening: Promise<Outbound> | null = null;
    return () => {
      if (opening === null) {
        opening = open(parseAllowList(outboundAllow)[kind]);
        opened.push(opening);
      }
      return opening;
    };
  };
  return {
    forConnections: opener("engines"),
    forCallbacks: opener("callbacks"),
    async close() {
      await Promise.allSettled(opened.map(async (outbound) => (await outbound).close()));
    },
  };
}

async function open(rules: AllowRules): Promise<Outbound> {
  const { createOutbound } = await import("@tl-engine/outbound");
  return createOutbound({ allow: { engines: rules, callbacks: rules } });
}
