import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import type { Answer } from "../../support/request.ts";

export const faultCase: FaultCase = {
  id: "O5",
  promise:
    "100 parallel submits with one Idempotency-Key over two APIs: one execution, all answers 2xx with its id (or 409), also over a FLUSHALL; where half of them ask for something else, one of the two is refused throughout",
  backends: bothBackends,
  short: true,
  async run(context) {
    const bed = await context.startBed({ engines: ["sleep", "count", "flaky"] });
    const ledger = await context.openLedger(bed, ["sleep"]);
    const apis = bed.livingApis().map(({ name }) => name);
    assert.equal(apis.length, 2);
    const rounds = context.size(5, 100);
    const redis = bed.backend === "redis" ? new Redis(bed.redis.url) : null;
    let conflicts = 0;

    /** 100 at once, to both in turn. @returns the answers, and the ids in them */
    async function submitAtOnce(
      key: string,
      bodies: readonly object[],
    ): Promise<{ answers: Answer[]; ids: Set<string> }> {
      const flush = context.between(0, 99);
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, n) => {
          if (n === flush) void redis?.flushall();
          const json = bodies[n % bodies.length];
          const api = apis[(n >> 1) % 2] as string;
          return ledger.caller.ask("/engines/execute", { json, key, api });
        }),
      );
      const there = answers.filter((answer) => answer !== null);
      assert.equal(there.length, 100, "some were not answered");
      conflicts += there.filter(({ status }) => status === 409).length;
      const ids = there.filter(({ status }) => status < 300).map(({ json }) => json.execution_id);
      return { answers: there, ids: new Set(ids as string[]) };
    }

    const created = new Set<string>();
    try {
      for (let round = 0; round < rounds; round++) {
        const one = { engine: "sleep", input: { ms: round } };
        const same = await submitAtOnce(`O5/${context.seed}/${round}`, [one]);
        assert.equal(same.ids.size, 1, `one key gave ${[...same.ids].join(", ")}`);
        for (const { status } of same.answers)
          assert([200, 202, 409].includes(status), String(status));

        const other = { engine: "sleep", input: { ms: round + 1 } };
        const mixed = await submitAtOnce(`O5/${context.seed}/${round}/mixed`, [one, other]);
        assert.equal(mixed.ids.size, 1, `one key gave ${[...mixed.ids].join(", ")}`);
        // Whichever came first has the key; the other body never gets anywhere.
        const taken = [0, 1].map((half) =>
          mixed.answers.filter(({ status }, n) => n % 2 === half && status < 300),
        );
        assert.equal(
          taken.filter(({ length }) => length > 0).length,
          1,
          "both bodies were accepted under one key",
        );
        const refused = mixed.answers.filter(({ status }) => ![200, 202, 409].includes(status));
        for (const { status, json } of refused) {
          assert.deepEqual([status, json.code], [422, "idempotency_mismatch"]);
        }
        assert(refused.length > 0);
        for (const id of [...same.ids, ...mixed.ids]) created.add(id);
      }
    } finally {
      redis?.disconnect();
    }
    assert.equal(created.size, rounds * 2, "two keys gave one execution");
    const [row] = await bed.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM executions WHERE engine_id = 'sleep' AND id >= $1",
      [[...created].toSorted()[0]],
    );
    assert.equal(row?.count, rounds * 2, "more was recorded than callers were told of");
    const ended = await Promise.all([...created].map((id) => bed.client().wait(id)));
    assert(ended.every(({ status }) => status === "succeeded"));
    context.say(`${rounds * 2} keys, ${rounds * 200} submits, ${conflicts} times 409`);
  },
};
