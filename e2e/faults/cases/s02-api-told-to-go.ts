import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import { request } from "../../support/request.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "S2",
  promise:
    "SIGTERM to an API under load: not ready first, 0 answers lost, no reset on an accepted connection, held requests answered, exit 0",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const [leaving] = bed.livingApis();
    assert(leaving !== undefined, "no API lives");
    const { sink } = bed;
    const headers = { "x-api-key": bed.deployment.planeKey };
    const { execution_id: heldId } = await bed
      .client()
      .execute("count", { sink: sink.url, hold: true });
    const heldAnswer = request(`${leaving.url}/api/v1/executions/${heldId}?wait=60`, { headers });

    const accepted: string[] = [];
    const statuses = new Map<number, number>();
    const broken: string[] = [];
    let readyAgain = 0;
    let notReady = false;
    let listens = true;
    const submit = async (): Promise<void> => {
      const { status, json } = await request(`${leaving.url}/api/v1/engines/sleep/execute`, {
        json: { input: { ms: 1 } },
        headers,
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 202) accepted.push(json.execution_id as string);
    };
    const probe = async (): Promise<void> => {
      const { status } = await request(`${leaving.url}/readyz`);
      if (status === 503) notReady = true;
      else if (notReady) readyAgain += 1;
    };
    const lane = async (ask: () => Promise<void>): Promise<void> => {
      while (listens) {
        try {
          await ask();
        } catch (error) {
          const cause = (error as Error).cause as { code?: string } | undefined;
          // It listens no more: nothing was accepted, so nothing is lost.
          if (cause?.code === "ECONNREFUSED") listens = false;
          else broken.push(`${cause?.code ?? ""} ${String(cause ?? error)}`);
        }
      }
    };
    const lanes = Promise.all([
      lane(probe),
      ...Array.from({ length: context.size(8, 32) }, () => lane(submit)),
    ]);
    const before = context.size(100, 2_000);
    await eventually("the load runs", () => (accepted.length > before ? true : null), {
      withinMs: 60_000,
    });
    const toldAt = performance.now();
    const end = leaving.stop();
    const held = await heldAnswer;
    await lanes;
    assert.deepEqual(await end, { code: 0, signal: null });
    const stoppedMs = performance.now() - toldAt;

    assert.deepEqual([held.status, held.json?.status], [200, "running"], "the held request");
    assert.deepEqual(broken, [], "answers were lost");
    assert(notReady, "it was never seen as not ready");
    assert.equal(readyAgain, 0, "it was ready again after it was not");
    assert.deepEqual([...statuses.keys()], [202]);
    // What it answered is there, at the other one.
    for (let from = 0; from < accepted.length; from += 100) {
      const { not_found: lost } = await bed.client().statuses(accepted.slice(from, from + 100));
      assert.deepEqual(lost, []);
    }
    sink.releaseAll();
    await bed.client().wait(heldId, { timeoutMs: 10_000 });
    context.say(
      `${accepted.length} accepted, none lost, stopped in ${(stoppedMs / 1_000).toFixed(1)} s`,
    );
    await bed.complete();
  },
};
