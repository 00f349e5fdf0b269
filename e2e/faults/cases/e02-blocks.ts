import assert from "node:assert/strict";
import type { Execution } from "@tl-engine/client";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import type { CaseContext, FaultCase } from "../case.ts";

const others = 100;

export const faultCase: FaultCase = {
  id: "E2",
  promise:
    "an engine that blocks its event loop for 60 s: in a thread or process the other 100 on that worker end in their usual time (×2), once; inline the host is replaced within 10 s and they end within 20 s, no attempt counted",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "spin"],
      workers: 1,
      env: { TL_WORKER_CONCURRENCY: String(others + 1) },
    });
    const usual = middle(await runBeside(context, bed, null));
    for (const engine of ["spin.thread", "spin.process"]) {
      const beside = await runBeside(context, bed, engine);
      for (const { attempts } of beside) assert.equal(attempts?.length, 1);
      const ms = middle(beside);
      context.say(`${engine}: the others took ${ms} ms, ${usual} ms without it`);
      assert(ms <= 2 * usual, `the others took ${ms} ms, and usually ${usual} ms`);
    }

    const beside = await runBeside(context, bed, "spin.inline");
    const [worker] = bed.livingWorkers();
    assert(worker !== undefined, "the worker has ended");
    const ended = await worker.says(
      "that a host was ended",
      ({ msg, reason }) => msg === "a host is ended at once" && reason === "blocked",
    );
    const [blocked] = await bed.query<{ at: Date }>(
      "SELECT started_at AS at FROM executions WHERE engine_id = 'spin.inline'",
    );
    const from = blocked?.at.getTime() ?? Number.NaN;
    const replacedMs = Date.parse(String(ended["time"])) - from;
    const lastMs = Math.max(...beside.map(({ finished_at: at }) => Date.parse(at ?? ""))) - from;
    const disturbed = beside.filter(({ attempts = [] }) => attempts.length > 1).length;
    context.say(
      `spin.inline: the host was replaced after ${replacedMs} ms, the others (${disturbed} given back) ended within ${lastMs} ms`,
    );
    assert(disturbed > 0, "nobody shared the blocked host");
    // What a machine with two busy cores adds in the short form.
    assert(replacedMs <= context.size(20_000, 10_000), "the host was replaced too late");
    assert(lastMs <= context.size(45_000, 20_000), "the others ended too late");
  },
};

/** A hundred that sleep, and one that blocks meanwhile. @returns the hundred, ended as they have to */
async function runBeside(
  context: CaseContext,
  bed: Bed,
  blocking: string | null,
): Promise<Execution[]> {
  const ledger = await context.openLedger(bed, ["sleep", ...(blocking === null ? [] : [blocking])]);
  const isInline = blocking === "spin.inline";
  const block = (): Promise<string> =>
    ledger.submit({ engine: blocking ?? "", input: { ms: 60_000 } });
  if (blocking !== null && !isInline) {
    const id = await block();
    await eventually(`${blocking} runs`, async () =>
      (await bed.client().status(id)).status === "running" ? true : null,
    );
  }
  const load = ledger.load({
    engine: "sleep",
    input: () => ({ ms: 700 }),
    count: others,
    parallel: 25,
  });
  if (isInline)
    await eventually("some of them run", () => (ledger.accepted.size > 20 ? true : null));
  if (isInline) await block();
  await load;
  const { executions } = await ledger.audit(90_000);
  return [...executions.values()].filter(({ engine }) => engine === "sleep");
}

/** The middle one of their times from start to end, ms. */
function middle(executions: readonly Execution[]): number {
  const times = executions.map(
    ({ started_at: from, finished_at: to }) => Date.parse(to ?? "") - Date.parse(from ?? ""),
  );
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}
