import type { Clients } from "@tl-engine/engine-kit";
import type { CallScope, DoorPorts, Outbound } from "@tl-engine/outbound";

/** The execution that calls, apart from what the door needs besides. */
export type CallingExecution = Omit<CallScope, Exclude<keyof DoorPorts, "callLog">>;

/** Makes the clients of one execution. */
export type ClientsFor = (execution: CallingExecution) => Promise<Partial<Clients>>;

/**
 * This thread's door to the outside. It is opened by the first execution that needs it: its code takes some 20 MiB,
 * which many workers never use.
 */
export function createClients(outboundAllow: string): ClientsFor {
  let opening: Promise<{ outbound: Outbound; ports: Omit<DoorPorts, "callLog"> }> | null = null;

  async function open() {
    const { createOutbound, noConnections, parseAllowList } = await import("@tl-engine/outbound");
    return {
      outbound: createOutbound({ allow: parseAllowList(outboundAllow) }),
      ports: noConnections,
    };
  }

  return async (execution) => {
    opening ??= open();
    const { outbound, ports } = await opening;
    return { http: () => outbound.http({ ...execution, ...ports }) };
  };
}
