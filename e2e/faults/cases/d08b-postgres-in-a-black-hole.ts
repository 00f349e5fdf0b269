import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { withoutPostgres } from "./d08-postgres-away.ts";

export const faultCase: FaultCase = {
  id: "D8b",
  promise:
    "the network to Postgres is a black hole for 30 s: as D8, where no connection is refused or broken",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"], network: true });
    const wire = bed.wire("postgres");
    await withoutPostgres(bed, context, {
      take: () => wire.blackHole(),
      giveBack: () => wire.heal(),
      awayMs: context.size(6_000, 30_000),
    });
  },
};
