import type { Clients } from "@tl-engine/engine-kit";
import type { CallScope, Outbound } from "@tl-engine/outbound";
import type { CallingRun, PortsOfRunOptions } from "./ports-of-run.ts";

/** The clients of one run. */
export interface ClientsOfRun {
  readonly clients: Partial<Clients>;
  /** The run is over. */
  close(): void;
}

/** Makes the clients of one run. */
export type ClientsFor = (run: CallingRun) => Promise<ClientsOfRun>;

/**
 * This thread's door to the outside. It is opened by the first execution that needs it: its code takes some 20 MiB,
 * which many workers never use.
 */
export function createClients(outboundAllow: string, options: PortsOfRunOptions): ClientsFor {
  let opening: Promise<Opened> | null = null;

  return async (run) => {
    opening ??= open(outboundAllow);
    const { outbound, createPortsOfRun } = await opening;
    const ports = createPortsOfRun(run, options);
    const scope: CallScope = { ...run, ...ports };
    return {
      clients: {
        http: (connection) => outbound.http(scope, connection),
        grpc: (connection) => outbound.grpc(scope, connection),
        websocket: (connection) => outbound.websocket(scope, connection),
        smtp: (connection) => outbound.smtp(scope, connection),
      },
      close: () => ports.close(),
    };
  };
}

interface Opened {
  outbound: Outbound;
  createPortsOfRun: typeof import("./ports-of-run.ts").createPortsOfRun;
}

async function open(outboundAllow: string): Promise<Opened> {
  const [{ createOutbound, parseAllowList }, { createPortsOfRun }] = await Promise.all([
    import("@tl-engine/outbound"),
    import("./ports-of-run.ts"),
  ]);
  return { outbound: createOutbound({ allow: parseAllowList(outboundAllow) }), createPortsOfRun };
}
