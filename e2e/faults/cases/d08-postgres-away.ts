import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { pidsOf, untilAllReady } from "../bed/checks.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** A submit that is refused is refused within this time, ms. */
const longestRefusalMs = 3_000;
/** A read, which is not hurried as much: who is it, and then the record, ms. */
const longestReadMs = 7_000;

export const faultCase: FaultCase = {
  id: "D8",
  promise:
    "Postgres killed for 30 s under load: submits get 503 with Retry-After within 3 s, none that got 202 is lost, no process ends, what finished meanwhile keeps its result; normal within 10 s of its return",
  backends: bothBackends,
  short: ["postgres"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    await withoutPostgres(bed, context, {
      take: () => bed.postgres.kill(),
      giveBack: () => bed.postgres.start(),
      awayMs: context.size(5_000, 30_000),
    });
  },
};

/** The promise, for one way in which Postgres is away. */
export async function withoutPostgres(
  bed: Bed,
  context: CaseContext,
  { take, giveBack, awayMs }: { take(): unknown; giveBack(): unknown; awayMs: number },
): Promise<void> {
  const before = pidsOf(bed);
  const ledger = await context.openLedger(bed, ["sleep", "count"], { refusalsExpected: true });
  const held = await Promise.all(
    Array.from({ length: 6 }, () =>
      ledger.submit({ engine: "count", input: { sink: bed.sink.url, hold: true } }),
    ),
  );
  await Promise.all(held.map((id) => bed.sink.arrived(id)));
  let over = false;
  const load = ledger.load({
    engine: "sleep",
    input: () => ({ ms: context.between(20, 200) }),
    goOn: () => !over || ledger.orders.size < context.size(100, 1_000),
    parallel: 4,
    paceMs: 30,
  });
  await eventually("the load runs", () => (ledger.accepted.size > 40 ? true : null));
  await take();
  const takenAt = performance.now();
  await delay(1_000);
  // They end while nobody can write it down.
  for (const id of held) bed.sink.release(id);
  await delay(awayMs - 1_000);
  await giveBack();
  const backAt = performance.now();
  await eventually(
    "submits are accepted again",
    () => (ledger.submits().some(({ status, at }) => status === 202 && at > backAt) ? true : null),
    { withinMs: context.promised(10) },
  );
  context.say(`accepted again ${seconds(performance.now() - backAt)} after its return`);
  await untilAllReady(bed, Math.max(0, context.promised(10) - (performance.now() - backAt)));
  over = true;
  await load;
  const { executions } = await ledger.audit(context.promised(60));
  assertRefusals(context, ledger, takenAt, backAt);
  assert.deepEqual(pidsOf(bed), before, "a process ended");
  const kept = held.filter((id) => executions.get(id)?.attempts?.length === 1);
  context.say(`${kept.length} of ${held.length} results were kept until Postgres was back`);
}

function assertRefusals(
  context: CaseContext,
  ledger: Ledger,
  takenAt: number,
  backAt: number,
): void {
  const bad = ledger.tries.filter(({ status }) => status !== 202 && status !== 200);
  for (const { key, path, status, retryAfter, ms, at } of bad) {
    const when = `${path} ${seconds(at - takenAt)} after Postgres went, ${seconds(backAt - takenAt)} away`;
    assert.equal(status, 503, when);
    assert(Number(retryAfter) > 0, `${when}: Retry-After is ${retryAfter}`);
    assert(
      ms < (key === null ? longestReadMs : longestRefusalMs),
      `${when} took ${ms.toFixed(0)} ms`,
    );
  }
  assert(bad.length > 0, "nothing was refused: Postgres was not away");
  const slowest = Math.max(...bad.map(({ ms }) => ms));
  context.say(`${bad.length} tries refused, the slowest after ${slowest.toFixed(0)} ms`);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
