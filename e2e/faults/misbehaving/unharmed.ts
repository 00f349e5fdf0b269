import assert from "node:assert/strict";
import type { CaseContext } from "../case.ts";
import type { Bed } from "../bed/bed.ts";
import type { Audit } from "../ledger/audit.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { eventually } from "../../support/eventually.ts";
import { slotsTaken } from "./worker-metrics.ts";

/** Executions that share the workers with bad ones, and are not to suffer. Resolves when all are accepted. */
export function loadInnocents(context: CaseContext, ledger: Ledger, ms: number): Promise<void> {
  return ledger.load({
    engine: "sleep",
    input: () => ({ ms }),
    count: context.size(100, 1_000),
    parallel: 8,
    paceMs: context.size(20, 60),
  });
}

/** Each innocent one was started once and succeeded (which the audit has seen). */
export function assertUnharmed({ executions }: Audit, context: CaseContext): void {
  const innocent = [...executions.values()].filter(({ engine }) => engine === "sleep");
  for (const { execution_id: id, attempts = [] } of innocent) {
    assert.equal(attempts.length, 1, `${id} was disturbed: ${JSON.stringify(attempts)}`);
  }
  context.say(`${innocent.length} others were not disturbed`);
}

/** Every worker lives, has free places only, and takes new work within 5 s. */
export async function assertAtWork(bed: Bed, workers: readonly number[]): Promise<void> {
  assert.deepEqual(
    bed.livingWorkers().map(({ pid }) => pid),
    workers,
    "a worker has ended",
  );
  await bed.client().run("sleep", { ms: 1 }, { waitTimeoutMs: 5_000 });
  await eventually("all places are free", async () => {
    const taken = await Promise.all(bed.livingWorkers().map(slotsTaken));
    return taken.every((count) => count === 0) ? true : null;
  });
}
