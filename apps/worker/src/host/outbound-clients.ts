import type { Clients } from "@tl-engine/engine-kit";
import type { HttpScope, Outbound } from "@tl-engine/outbound";

/** Makes the clients of one execution. */
export type ClientsFor = (scope: HttpScope) => Promise<Partial<Clients>>;

/**
 * This thread's door to the outside. It is opened by the first execution that needs it: its code takes some 20 MiB,
 * which many workers never use.
 */
export function createClients(outboundAllow: string): ClientsFor {
  let opening: Promise<Outbound> | null = null;

  async function open(): Promise<Outbound> {
    const { createOutbound, parseAllowList } = await import("@tl-engine/outbound");
    return createOutbound({ allow: parseAllowList(outboundAllow) });
  }

  return async (scope) => {
    opening ??= open();
    const outbound = await opening;
    return { http: () => outbound.http(scope) };
  };
}
