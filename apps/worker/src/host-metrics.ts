import { Counter, Gauge, type Registry } from "prom-client";
import type { HostKind, Hosts } from "./host/hosts.ts";

export interface HostMetrics {
  replaced(kind: HostKind, reason: string): void;
  /** From now on the gauge shows the hosts of these. */
  watch(these: Hosts): void;
}

/** Figures of the threads and processes in which engines run. */
export function createHostMetrics(registry: Registry): HostMetrics {
  const registers = [registry];
  const replacements = new Counter({
    name: "tl_host_replacements_total",
    help: "Hosts taken out of use because an engine blocked, crashed or ignored its signal in them.",
    labelNames: ["kind", "reason"],
    registers,
  });
  let watched: Hosts | null = null;
  const hosts = new Gauge({
    name: "tl_hosts",
    help: "Threads and processes in which this worker runs engines, by kind.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const [kind, count] of Object.entries(watched?.figures() ?? {}))
        hosts.set({ kind }, count);
    },
  });
  return {
    replaced: (kind, reason) => replacements.inc({ kind, reason }),
    watch(these) {
      watched = these;
    },
  };
}
