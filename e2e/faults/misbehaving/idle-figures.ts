import type { Worker } from "../../support/deployment.ts";
import { request } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import { processFigures, type ProcessFigures } from "./process-figures.ts";
import { sumOf } from "./worker-metrics.ts";

/** What a worker has while it has nothing to do. */
export interface IdleFigures extends ProcessFigures {
  /** Hosts by kind. */
  hosts: Record<string, number>;
  /** JavaScript heap of its own thread, MiB. */
  heapMib: number;
  slots: number;
  slotsTaken: number;
  /** Executions that count as running, over all workers. */
  running: number;
}

/** @throws Error where the worker has ended */
export async function readIdle(bed: Bed, worker: Worker): Promise<IdleFigures> {
  const { text } = await request(`${worker.metricsUrl}/metrics`);
  const kinds = [...text.matchAll(/^tl_hosts\{kind="(\w+)".*\} (\d+)$/gm)];
  const engines = await bed.client().metrics();
  return {
    ...(await processFigures(worker.pid)),
    hosts: Object.fromEntries(kinds.map(([, kind, count]) => [kind, Number(count)])),
    heapMib: sumOf(text, "tl_nodejs_heap_size_used_bytes") / 2 ** 20,
    slots: sumOf(text, "tl_slots"),
    slotsTaken: sumOf(text, "tl_slots_taken"),
    running: engines.reduce((sum, { running }) => sum + running, 0),
  };
}
