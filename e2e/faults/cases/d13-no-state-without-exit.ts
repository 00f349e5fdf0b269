import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import type { Order } from "../ledger/order.ts";

export const faultCase: FaultCase = {
  id: "D13",
  promise:
    "no state without an exit: delayed, waiting, running, waiting for a retry, asked to stop, with every worker killed or frozen: 2 × the longest deadline later nothing is unfinished, and at no time is anything older than its deadline",
  backends: bothBackends,
  short: ["postgres"],
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep", "count", "flaky", "stubborn"],
      alone: true,
    });
    const engines = ["echo", "sleep", "count", "flaky", "stubborn"];
    const ledger = await context.openLedger(bed, engines);
    const graceMs = context.size(1_000, 5_000);
    // Of those that run for up to a minute: that, the grace period, and the reconciler's margin.
    const longestDeadlineMs = 60_000 + graceMs + 30_000;
    const submitAll = (orders: readonly Order[]): Promise<string[]> =>
      Promise.all(orders.map((order) => ledger.submit(order)));
    const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
    const sink = bed.sink.url;

    // Running, and soon to wait for a retry.
    const asked: Order = { engine: "count", input: { sink, hold: true }, may: ["canceled"] };
    const held = await submitAll([
      ...many(4, { engine: "count", input: { sink, hold: true } }),
      ...many(2, asked),
    ]);
    // A second attempt of these waits until the host of the first is surely gone, which is over a minute where its
    // worker died: only in the whole run.
    const stubborn = await submitAll(
      many(3, {
        engine: "stubborn",
        input: { sink },
        options: { max_attempts: context.size(1, 2) },
      }),
    );
    await submitAll(many(6, { engine: "flaky", input: { failures: 3 } }));
    await Promise.all([...held, ...stubborn].map((id) => bed.sink.arrived(id)));
    // One worker freezes with work in its hands, the others die.
    const { attempts } = await bed.client().status(held[0] ?? "", { include: ["attempts"] });
    const frozen = await bed.workerById(attempts?.at(-1)?.worker_id);
    frozen.signal("SIGSTOP");
    const others = bed.livingWorkers().filter((worker) => worker !== frozen);
    await Promise.all(others.map((worker) => worker.kill()));
    for (const id of held.slice(4)) await ledger.caller.cancel(id);
    // Nobody is there to start these.
    const expiring = await submitAll([
      ...many(3, { engine: "echo", input: 1, options: { ttl: "2s" }, must: "expired" as const }),
      ...many(3, {
        engine: "echo",
        input: 1,
        options: { ttl: "2s", delay: "1s" },
        must: "expired" as const,
      }),
    ]);
    await submitAll(many(3, { engine: "sleep", input: { ms: 10 }, options: { delay: "3s" } }));
    const late: string[] = [];
    const watch = setInterval(
      () =>
        void countLate(bed).then(
          (said) => said && late.push(said),
          () => undefined,
        ),
      500,
    );
    try {
      await eventually(
        "what nobody started has expired",
        async () => {
          const { executions } = await bed.client().statuses(expiring);
          return executions.every(({ status }) => status === "expired") ? true : null;
        },
        { withinMs: 3_000 + context.promised(15) },
      );
      await bed.complete();
      for (const id of held) bed.sink.release(id);
      const { executions } = await ledger.audit(2 * longestDeadlineMs);
      for (const id of held.slice(4)) assert.equal(executions.get(id)?.status, "canceled");
      // The frozen one wakes up, and what it says is of no account.
      frozen.signal("SIGCONT");
      await frozen.says(
        "what became of it",
        ({ outcome, execution_id: id }) =>
          id === held[0] && (outcome === "stale" || outcome === "given_back"),
      );
      await ledger.audit(0);
      assert.deepEqual(late, []);
    } finally {
      clearInterval(watch);
      frozen.signal("SIGCONT");
    }
  },
};

/** Leaders come and go, and their turns take a while: 10 s. */
async function countLate(bed: Bed): Promise<string | null> {
  const [row] = await bed.query<{ said: string | null }>(
    `SELECT string_agg(format('%s %s is %s past its deadline', engine_id, status, now() - deadline_at), ', ') AS said
       FROM executions WHERE deadline_at < now() - interval '10 seconds'`,
  );
  return row?.said ?? null;
}
