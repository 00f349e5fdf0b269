import assert from "node:assert/strict";
import type { Execution } from "@tl-engine/client";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import type { Worker } from "../../support/deployment.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import type { Ledger } from "../ledger/ledger.ts";

export const faultCase: FaultCase = {
  id: "O2",
  promise:
    "20 workers frozen (SIGSTOP) for two leases and woken: their late results are dropped, the successors' stand, and the attempts say so",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["count", "count.deaf"]);
    const wanted = context.size(2, 20);
    let frozen = 0;
    let late = 0;
    while (frozen < wanted) {
      const workers = await freezeSome(context, bed, ledger);
      frozen += workers.frozen;
      late += workers.late;
    }
    context.say(`${frozen} workers frozen, ${late} late results`);
    assert(late >= frozen, "too few of the frozen workers had a result");
    await ledger.audit(context.promised(60));
  },
};

/** Freezes two of three workers with executions in their hands, and looks at what becomes of those. */
async function freezeSome(
  context: CaseContext,
  bed: Bed,
  ledger: Ledger,
): Promise<{ frozen: number; late: number }> {
  const leaseMs = bed.leaseSeconds * 1_000;
  const client = bed.client();
  const read = async (ids: readonly string[]): Promise<Execution[]> =>
    (await client.statuses(ids, { include: ["attempts"] })).executions;

  const failures = new Map<string, number>();
  // Some go on whatever they are told and have a result when they wake; some fail; some wait for an answer.
  const ids = await Promise.all(
    Array.from({ length: 24 }, async (_, n) => {
      const { sink } = bed;
      if (n % 4 === 3)
        return ledger.submit({ engine: "count", input: { sink: sink.url, hold: true } });
      const input = { sink: sink.url, ms: leaseMs / 2, failures: n % 4 === 2 ? 1 : 0 };
      const id = await ledger.submit({ engine: "count.deaf", input });
      failures.set(id, input.failures);
      return id;
    }),
  );
  await Promise.all(ids.map((id) => bed.sink.arrived(id)));
  const byWorker = Map.groupBy(
    (await read(ids)).filter(({ status }) => status === "running"),
    ({ attempts }) => attempts?.at(-1)?.worker_id ?? "",
  );
  const victims: Worker[] = [];
  for (const [id] of [...byWorker].toSorted(([, a], [, b]) => b.length - a.length).slice(0, 2)) {
    const worker = await bed.workerById(id);
    worker.signal("SIGSTOP");
    victims.push(worker);
  }
  const frozenAt = performance.now();
  const frozenIds = new Set(await Promise.all(victims.map((worker) => worker.ready())));
  // What the record says now that they write no more: whatever was settled before is no victim.
  const interrupted = (await read(ids)).filter(
    ({ status, attempts }) =>
      status === "running" && frozenIds.has(attempts?.at(-1)?.worker_id ?? ""),
  );
  assert(interrupted.length > 0, "the frozen workers had nothing in their hands");

  for (const { execution_id: id, engine } of interrupted) {
    // Its successor's call; the answer is for both.
    await bed.sink.arrived(id, 2);
    if (engine === "count") bed.sink.release(id);
  }
  for (const id of ids) bed.sink.release(id);
  const ends = new Map<string, Execution>();
  for (const id of ids) {
    ends.set(id, await client.wait(id, { include: ["attempts"], timeoutMs: context.promised(60) }));
  }
  await eventually(
    "two leases are over",
    () => (performance.now() - frozenAt > 2 * leaseMs ? true : null),
    { withinMs: 3 * leaseMs },
  );
  for (const worker of victims) worker.signal("SIGCONT");

  let late = 0;
  for (const { execution_id: id, engine } of interrupted) {
    const before = ends.get(id);
    assert.equal(before?.status, "succeeded");
    const place = before.attempts?.findIndex(({ outcome }) => outcome === "worker_lost") ?? -1;
    const lost = before.attempts?.[place];
    assert(frozenIds.has(lost?.worker_id ?? ""), `${id} was not taken back`);
    if (engine !== "count.deaf") continue;
    const after = await eventually(
      `${id} says that a result came too late`,
      async () => {
        const [now] = await read([id]);
        return now?.attempts?.[place]?.late_result === null ? null : now;
      },
      { withinMs: context.promised(30) },
    );
    late++;
    const result = after.attempts?.[place]?.late_result;
    const fails = (lost?.attempt ?? 0) <= (failures.get(id) ?? 0);
    assert.deepEqual(
      [result?.outcome, result?.code],
      fails ? ["failed", "engine_error"] : ["succeeded", null],
    );
    assert(
      Date.parse(result?.at ?? "") >= Date.parse(lost?.finished_at ?? ""),
      `${id}: the late result came before its worker was given up`,
    );
    // Nothing else of it has changed, and the late result is told where it belongs.
    const told = before.attempts?.map((attempt, n) =>
      n === place ? { ...attempt, late_result: result } : attempt,
    );
    assert.deepEqual({ ...after, output: null }, { ...before, output: null, attempts: told });
    const successor = after.attempts?.at(-1);
    assert(!frozenIds.has(successor?.worker_id ?? ""), `${id}: a frozen worker ended it itself`);
    assert.equal(
      bed.sink.effectsOf(id).length,
      after.attempts?.length,
      `${id} ran more often than it was started`,
    );
  }
  // They work on: each is given a lease and is ready again.
  for (const worker of victims) {
    await eventually(`${worker.name} is ready again`, async () =>
      (await request(`${worker.metricsUrl}/readyz`)).status === 200 ? true : null,
    );
  }
  return { frozen: victims.length, late };
}
