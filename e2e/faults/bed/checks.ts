import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import type { Bed } from "./bed.ts";

/** The process ids of all living processes, in order. */
export function pidsOf(bed: Bed): number[] {
  return [...bed.livingApis(), ...bed.livingWorkers()].map(({ pid }) => pid);
}

/**
 * Every process says that it is ready and lacks nothing.
 *
 * @throws Error with what the last one said
 */
export async function untilAllReady(bed: Bed, withinMs: number): Promise<void> {
  await eventually(
    "all processes are ready and not degraded",
    async () => {
      for (const { metricsUrl, name } of [...bed.livingApis(), ...bed.livingWorkers()]) {
        const { status, json } = await request(`${metricsUrl}/readyz`);
        assert.deepEqual(
          { name, status, reasons: json.reasons, degraded: ofRedis(json.degraded) },
          { name, status: 200, reasons: [], degraded: [] },
        );
      }
      return true;
    },
    { withinMs, everyMs: 50 },
  );
}

/** How many executions only the queue holds at this moment: they wait for a worker to take them. */
export async function countDeliverable(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM executions WHERE status = 'queued' AND wait_reason IS NULL",
  );
  return row?.count ?? 0;
}

/** The private Postgres lacks fsync, and the processes say so: that is no fault here. */
function ofRedis(degraded: readonly string[] = []): string[] {
  return degraded.filter((reason) => reason.startsWith("redis"));
}

/** All living APIs but this one, or this one if there is no other. */
export function otherApi(bed: Bed, name: string): string {
  const apis = bed.livingApis();
  return (apis.find((api) => api.name !== name) ?? apis[0])?.name ?? "";
}
