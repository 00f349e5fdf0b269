import { setTimeout as delay } from "node:timers/promises";
import type { Bed } from "../bed/bed.ts";
import type { Wire } from "../bed/wire.ts";
import { bothBackends, type Backend } from "../backend.ts";
import type { Fault } from "./fault.ts";

type Server = "postgres" | "redis";
const called = { postgres: "Postgres", redis: "Redis" } as const;
const backendsOf = (to: Server): readonly Backend[] => (to === "redis" ? ["redis"] : bothBackends);

/** The network to a server is bad for a while. The bed has to have one: `network: true`. */
function badNetwork(to: Server, name: string, spoil: (wire: Wire) => void): Fault {
  return {
    name: `the network to ${called[to]} ${name}`,
    backends: backendsOf(to),
    async strike(bed: Bed, _context, lastsMs) {
      const wire = bed.wire(to);
      spoil(wire);
      await delay(lastsMs);
      wire.heal();
    },
  };
}

export const slowTo = (to: Server): Fault =>
  badNetwork(to, "takes 100 ms more each way", (wire) => wire.slow(100));
export const blackHoleTo = (to: Server): Fault =>
  badNetwork(to, "is a black hole", (wire) => wire.blackHole());
export const cutTo = (to: Server): Fault => badNetwork(to, "is cut", (wire) => wire.cut());
