import assert from "node:assert/strict";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

/** The most that may lie between the end here and the start elsewhere, ms. */
const elsewhereMs = 2_000;

export const faultCase: FaultCase = {
  id: "S1",
  promise:
    "SIGTERM to a worker: it takes nothing new, lets what runs go on for its drain time (30 s), exits 0; what does not end starts elsewhere within 2 s, with no attempt counted",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const drainSeconds = context.size(3, 30);
    const bed = await context.startBed({
      engines: ["count", "sleep"],
      env: { TL_DRAIN_SECONDS: String(drainSeconds) },
      alone: true,
    });
    const { sink } = bed;
    const ledger = await context.openLedger(bed, ["count", "sleep"]);
    const held = context.size(12, 24);
    await ledger.load({
      engine: "count",
      input: () => ({ sink: sink.url, hold: true }),
      count: held,
    });
    const ids = [...ledger.accepted.values()];
    await Promise.all(ids.map((id) => sink.arrived(id)));
    const { executions } = await bed.client().statuses(ids, { include: ["attempts"] });
    const byWorker = Map.groupBy(executions, ({ attempts }) => attempts?.at(-1)?.worker_id);
    const [leavingId, its = []] =
      [...byWorker].toSorted(([, a], [, b]) => b.length - a.length)[0] ?? [];
    assert(its.length >= 2, "no worker runs two of them");
    const leaving = await bed.workerById(leavingId);

    const toldAt = performance.now();
    const end = leaving.stop();
    await leaving.says("stopping", ({ msg }) => msg === "stopping");
    const toldAtServer = await nowOf(bed.query);
    // Work goes on coming in, and goes elsewhere.
    const load = ledger.load({
      engine: "sleep",
      input: (n) => ({ ms: 10 + (n % 40) }),
      count: context.size(60, 400),
      parallel: 4,
      paceMs: context.size(100, 250),
    });
    // Half of what it runs ends within its drain time, and is recorded as its own.
    const inTime = its.slice(0, Math.ceil(its.length / 2)).map(({ execution_id: id }) => id);
    const late = its.slice(inTime.length).map(({ execution_id: id }) => id);
    for (const id of inTime) sink.release(id);
    const gaps: number[] = [];
    for (const id of late) {
      const brokenOffAt = await sink.brokenOff(id);
      gaps.push((await sink.arrived(id, 2)).at - brokenOffAt);
      sink.release(id);
    }
    assert.deepEqual(await end, { code: 0, signal: null });
    const stoppedMs = performance.now() - toldAt;
    sink.releaseAll();
    await load;
    const audit = await ledger.audit(context.promised(60));

    const outcomes = (id: string) =>
      audit.executions
        .get(id)
        ?.attempts?.map(({ outcome, worker_id: worker }) => [outcome, worker === leavingId]);
    for (const id of inTime) assert.deepEqual(outcomes(id), [["succeeded", true]], id);
    for (const id of late) {
      assert.deepEqual(
        outcomes(id),
        [
          ["given_back", true],
          ["succeeded", false],
        ],
        id,
      );
      assert.equal(audit.executions.get(id)?.attempt, 1, "no attempt is counted");
    }
    const startedByIt = audit.moves.filter(
      ({ to, worker, at }) => to === "running" && worker === leavingId && at > toldAtServer,
    );
    assert.equal(startedByIt.length, 0, "it started something after it was told to go");
    const longestGap = Math.max(...gaps);
    assert(longestGap < elsewhereMs, `${Math.round(longestGap)} ms until it started elsewhere`);
    assert(
      stoppedMs > drainSeconds * 1_000 - 500,
      `it broke off after ${Math.round(stoppedMs)} ms`,
    );
    context.say(
      `${inTime.length} ended in time, ${late.length} started elsewhere after ${Math.round(longestGap)} ms at most, stopped in ${(stoppedMs / 1_000).toFixed(1)} s`,
    );
  },
};

/** Postgres' time, ms since the epoch; what was already on its way then is past. */
async function nowOf(query: <Row extends object>(sql: string) => Promise<Row[]>): Promise<number> {
  const [row] = await query<{ ms: number }>(
    "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 + 200 AS ms",
  );
  return row?.ms ?? 0;
}
