import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "T7",
  promise:
    "a program with 10,000 waiting executions delays another's on the same engine by less than 2 s",
  backends: ["redis", "postgres"],
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({
      engines: ["sleep"],
      env: { TL_RATE_LIMIT: "1000000" },
      alone: true,
    });
    const [greedy, modest] = await Promise.all(
      ["greedy", "modest"].map(async (name) => {
        const token = await bed.deployment.token(name);
        return { authorization: `Bearer ${token}` };
      }),
    );
    assert(greedy && modest);
    const count = context.size(2_000, 10_000);
    // Nobody works while the backlog grows, so that it does on a slow machine, too.
    await Promise.all(bed.livingWorkers().map((worker) => worker.stop()));
    let left = count;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (left-- > 0) await submit(bed, greedy, left, context.size(200, 100));
      }),
    );
    const waiting = await queued(bed);
    context.say(`${waiting} of the first program wait`);
    assert(waiting >= count, "the first program has a backlog");
    await bed.complete();

    const ids: string[] = [];
    for (let n = 0; n < 20; n += 1) {
      ids.push(await submit(bed, modest, n, 10));
      await delay(100);
    }
    assert(
      (await queued(bed)) > 0,
      "the first program's backlog outlasts the second one's submits",
    );
    const delays = await eventually(
      "the second program's executions have started",
      async () => {
        const rows = await bed.query<{ ms: number | null }>(
          `SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS ms FROM executions WHERE id = ANY ($1) ORDER BY id`,
          [ids],
        );
        const known = rows.flatMap(({ ms }) => (ms === null ? [] : [ms]));
        return known.length === ids.length ? known : null;
      },
      { withinMs: 60_000, everyMs: 200 },
    );
    const longest = Math.max(...delays);
    const mean = delays.reduce((sum, ms) => sum + ms, 0) / delays.length;
    context.say(delays.map((ms) => ms.toFixed(0)).join(" "));
    context.say(`the second waited ${mean.toFixed(0)} ms, at most ${longest.toFixed(0)} ms`);
    assert(longest < 2_000, `one of the second program waited for ${longest} ms`);
    await eventually(
      "everything has ended",
      async () => {
        const [row] = await bed.query<{ succeeded: number }>(
          "SELECT sum(succeeded)::int AS succeeded FROM engine_counters WHERE engine_id = 'sleep'",
        );
        return row?.succeeded === count + ids.length ? true : null;
      },
      { withinMs: context.size(120_000, 300_000), everyMs: 500 },
    );
  },
};

/** Of the engine, over both programs. */
async function queued(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ queued: number }>(
    "SELECT coalesce(sum(queued), 0)::int AS queued FROM engine_counters WHERE engine_id = 'sleep'",
  );
  return row?.queued ?? 0;
}

/** @returns the execution's id */
async function submit(
  bed: Bed,
  headers: Record<string, string>,
  n: number,
  ms: number,
): Promise<string> {
  const apis = bed.livingApis();
  const url = apis[n % apis.length]?.url ?? "";
  const json = { input: { ms } };
  const answer = await request(`${url}/api/v1/engines/sleep/execute`, { json, headers });
  assert.equal(answer.status, 202, answer.text);
  return answer.json.execution_id as string;
}
