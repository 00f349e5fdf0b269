import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { request, type Answer } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";

export const faultCase: FaultCase = {
  id: "O6",
  promise:
    "a key with another body is 422, with another program another execution, after a failure that failed execution; it is kept for 24 h, over the loss of Redis and of every API process",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const [one, another] = [await programOf(bed), await programOf(bed)];
    const key = randomUUID();
    const submit = (
      by: string,
      input: unknown,
      options: { engine?: string; key?: string; more?: object } = {},
    ): Promise<Answer> =>
      request(`${apiOf(context, bed)}/api/v1/engines/${options.engine ?? "flaky"}/execute`, {
        json: { input, ...options.more },
        headers: { "x-api-key": by, "idempotency-key": options.key ?? key },
      });
    const idOf = (answer: Answer): string => {
      assert.equal(answer.status, 202, answer.text);
      return answer.json.execution_id as string;
    };
    const isReplay = (answer: Answer, id: string): void => {
      assert.deepEqual([idOf(answer), answer.headers.get("idempotency-replayed")], [id, "true"]);
    };

    // It will fail: once, and for good.
    const options = { more: { options: { max_attempts: 1 } } };
    const failing = { failures: 9 };
    const first = await submit(one, failing, options);
    assert.equal(first.headers.get("idempotency-replayed"), null);
    const id = idOf(first);

    const refusals = [
      await submit(one, { failures: 8 }, options),
      await submit(one, failing, { more: { options: { max_attempts: 2 } } }),
      await submit(one, failing, { ...options, engine: "flaky@1" }),
      await submit(one, { ms: 1 }, { engine: "sleep" }),
    ];
    for (const { status, json } of refusals)
      assert.deepEqual([status, json.code], [422, "idempotency_mismatch"]);

    const foreign = await submit(another, failing, options);
    assert.equal(foreign.headers.get("idempotency-replayed"), null);
    assert.notEqual(idOf(foreign), id);

    const ended = await bed.client().wait(id);
    assert.equal(ended.status, "failed");
    const replayed = await submit(one, failing, options);
    isReplay(replayed, id);
    assert.deepEqual([replayed.json.status, replayed.json.done], ["failed", true]);

    // Almost a day later, after Redis has lost all and no process is what it was.
    await age(bed, key, "23 hours 59 minutes");
    if (bed.backend === "redis") {
      const redis = new Redis(bed.redis.url);
      await redis.flushall();
      redis.disconnect();
    }
    isReplay(await submit(one, failing, options), id);
    await Promise.all(bed.livingApis().map((api) => api.kill()));
    await bed.complete();
    isReplay(await submit(one, failing, options), id);
    assert.equal((await submit(one, { failures: 8 }, options)).status, 422);

    // And a day later it is free again; what it stood for is still there.
    await age(bed, key, "2 minutes");
    const anew = await submit(one, { failures: 0 }, options);
    assert.notEqual(idOf(anew), id);
    assert.equal(anew.headers.get("idempotency-replayed"), null);
    assert.equal((await bed.client().status(id)).status, "failed");
    await Promise.all([anew, foreign].map((answer) => bed.client().wait(idOf(answer))));
  },
};

function apiOf({ between }: CaseContext, bed: Bed): string {
  const apis = bed.livingApis();
  return apis[between(0, apis.length - 1)]?.url ?? "";
}

/** A new program's key. */
async function programOf(bed: Bed): Promise<string> {
  const answer = await request(`${bed.livingApis()[0]?.url}/api/v1/keys`, {
    json: { name: "a program" },
    headers: { "x-api-key": bed.deployment.planeKey },
  });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.key as string;
}

/** Moves what is recorded under an idempotency key into the past. */
async function age(bed: Bed, key: string, by: string): Promise<void> {
  const rows = await bed.query(
    "UPDATE idempotency_keys SET created_at = created_at - $2::interval WHERE key = $1 RETURNING key",
    [key, by],
  );
  assert(rows.length > 0);
}
