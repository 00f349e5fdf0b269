import { expect, test } from "vitest";
import { createBatcher } from "./batcher.ts";

function controlled() {
  const runs: {
    items: number[];
    end(results?: (number | Error)[]): void;
    fail(error: Error): void;
  }[] = [];
  const batcher = createBatcher<number, number>({
    maxItems: 3,
    lanes: 1,
    run: (items) =>
      new Promise((resolve, reject) => {
        runs.push({ items, end: (results = items) => resolve(results), fail: reject });
      }),
  });
  return { runs, batcher };
}

test("one item goes at once; what comes meanwhile shares the next run, up to its size", async () => {
  const { runs, batcher } = controlled();
  const all = [1, 2, 3, 4, 5].map((item) => batcher.add(item));
  expect(runs.map(({ items }) => items)).toEqual([[1]]);
  expect(batcher.size).toBe(5);
  runs[0]?.end();
  await all[0];
  expect(runs.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
  runs[1]?.end();
  await all[3];
  runs[2]?.end();
  expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5]);
  expect(batcher.size).toBe(0);
});

test("an error fails its own item, or the whole run", async () => {
  const { runs, batcher } = controlled();
  const first = batcher.add(1);
  const others = [2, 3].map((item) => batcher.add(item));
  runs[0]?.fail(new Error("all"));
  await expect(first).rejects.toThrow("all");
  runs[1]?.end([20, new Error("mine")]);
  expect(await Promise.allSettled(others)).toMatchObject([
    { status: "fulfilled", value: 20 },
    { status: "rejected", reason: new Error("mine") },
  ]);
});
