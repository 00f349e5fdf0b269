import { Gauge, type Registry } from "prom-client";

/** Circuits that the figures tell apart. */
const most = 200;

/** Shows each circuit that is not closed, as this worker knows it. */
export function createCircuitMetrics(
  registry: Registry,
  states: () => readonly { readonly connectionId: string; readonly state: string }[],
): void {
  const circuits = new Gauge({
    name: "tl_circuit_not_closed",
    help: "1 for each connection whose circuit is open, or half_open while one call tries it; none while all are closed.",
    labelNames: ["connection", "state"],
    registers: [registry],
    collect() {
      circuits.reset();
      const shown = states().filter(({ state }) => state !== "closed");
      for (const { connectionId, state } of shown.slice(0, most))
        circuits.set({ connection: connectionId, state }, 1);
    },
  });
}
