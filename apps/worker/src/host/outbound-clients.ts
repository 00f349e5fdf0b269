import type { Clients } from "@tl-engine/engine-kit";
import type { HttpScope } from "@tl-engine/outbound";

/** Makes the clients of one execution. */
export type ClientsFor = (scope: HttpScope) => Partial<Clients>;

/** Opens this thread's door to the outside; a thread whose engines use no client does not even load it. */
export async function openClients(outboundAllow: string): Promise<ClientsFor> {
  const { createOutbound, parseAllowList } = await import("@tl-engine/outbound");
  const outbound = createOutbound({ allow: parseAllowList(outboundAllow) });
  return (scope) => ({ http: () => outbound.http(scope) });
}
