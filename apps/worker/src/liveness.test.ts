import { expect, test } from "vitest";
import { startLiveness } from "./liveness.ts";

interface Situation {
  used: number;
  waiting: number;
  taken?: boolean;
  postgres?: boolean;
}

/** Looks until the worker counts as stuck, or through forty looks. */
async function look(situation: Situation): Promise<"stuck" | "fine"> {
  const { used, waiting, taken = false, postgres = true } = situation;
  const verdict = Promise.withResolvers<"stuck" | "fine">();
  let looks = 0;
  const liveness = startLiveness({
    engines: [{ name: "echo@1", slots: { used, total: 2 } }],
    waiting: async () => waiting,
    async askPostgres() {
      looks += 1;
      if (looks === 40) verdict.resolve("fine");
      if (!postgres) throw new Error("away");
    },
    takenAt: () => (taken ? performance.now() : -1_000_000),
    onStuck: () => verdict.resolve("stuck"),
    limitMs: 50,
    everyMs: 5,
  });
  return verdict.promise.finally(() => liveness.stop());
}

test("a worker that takes nothing though it could is stuck", async () => {
  expect(await look({ used: 1, waiting: 3 })).toBe("stuck");
});

test("full slots, an empty queue, an absent Postgres and a worker that works never count", async () => {
  expect(await look({ used: 2, waiting: 3 })).toBe("fine");
  expect(await look({ used: 0, waiting: 0 })).toBe("fine");
  expect(await look({ used: 0, waiting: 3, postgres: false })).toBe("fine");
  expect(await look({ used: 0, waiting: 3, taken: true })).toBe("fine");
});
