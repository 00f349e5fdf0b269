import { expect, test } from "vitest";
import { startLiveness } from "./liveness.ts";

interface Situation {
  used: number;
  waiting: number;
  taken?: boolean;
  postgres?: boolean;
  queue?: boolean;
}

/** Looks until the worker counts as stuck, or through forty looks. */
async function look(situation: Situation): Promise<"stuck" | "fine"> {
  const { used, waiting, taken = false, postgres = true, queue = true } = situation;
  const verdict = Promise.withResolvers<"stuck" | "fine">();
  let looks = 0;
  const liveness = startLiveness({
    engines: [{ name: "echo@1", slots: { used, total: 2 } }],
    waiting: async () => waiting,
    async askQueue() {
      if (!queue) throw new Error("it is full");
    },
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

test("full slots, an empty queue, an absent Postgres, a full Redis and a worker that works never count", async () => {
  expect(await look({ used: 2, waiting: 3 })).toBe("fine");
  expect(await look({ used: 0, waiting: 0 })).toBe("fine");
  expect(await look({ used: 0, waiting: 3, postgres: false })).toBe("fine");
  expect(await look({ used: 0, waiting: 3, queue: false })).toBe("fine");
  expect(await look({ used: 0, waiting: 3, taken: true })).toBe("fine");
});

test("an engine of which nothing is taken counts, also while another one is served", async () => {
  const stuck = Promise.withResolvers<string>();
  const liveness = startLiveness({
    engines: [
      { name: "busy@1", slots: { used: 1, total: 2 } },
      { name: "dead@1", slots: { used: 0, total: 2 } },
    ],
    waiting: async () => 1,
    askQueue: async () => {},
    askPostgres: async () => {},
    takenAt: ({ name }) => (name === "busy@1" ? performance.now() : 0),
    onStuck: ({ name }) => stuck.resolve(name),
    limitMs: 50,
    everyMs: 5,
  });
  expect(await stuck.promise.finally(() => liveness.stop())).toBe("dead@1");
});

test("what is not on end does not add up", async () => {
  let looks = 0;
  const end = Promise.withResolvers<"stuck" | "fine">();
  const liveness = startLiveness({
    engines: [{ name: "echo@1", slots: { used: 0, total: 2 } }],
    // Ten looks would do; each ninth finds nothing to take.
    async waiting() {
      looks += 1;
      if (looks === 60) end.resolve("fine");
      return looks % 9 === 0 ? 0 : 1;
    },
    askQueue: async () => {},
    askPostgres: async () => {},
    takenAt: () => 0,
    onStuck: () => end.resolve("stuck"),
    limitMs: 45,
    everyMs: 5,
  });
  expect(await end.promise.finally(() => liveness.stop())).toBe("fine");
});
