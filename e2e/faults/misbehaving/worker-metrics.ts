import type { Worker } from "../../support/deployment.ts";
import { request } from "../../support/request.ts";

/** The sum of a metric over its labels, from Prometheus' text. */
export function sumOf(text: string, metric: string): number {
  const lines = [...text.matchAll(new RegExp(`^${metric}\\{.*\\} (\\S+)$`, "gm"))];
  return lines.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Places of a worker in which something runs, over all its engines. */
export async function slotsTaken(worker: Worker): Promise<number> {
  const { text } = await request(`${worker.metricsUrl}/metrics`);
  return sumOf(text, "tl_slots_taken");
}
