import { readdirSync, readFileSync } from "node:fs";
import { enginesOf } from "@tl-engine/engine-kit";
import { createRecorder, runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import greet from "./greet.ts";
import order from "./order.ts";
import primes from "./primes.ts";

const folder = new URL(".", import.meta.url);
const docs = readFileSync(new URL("../../docs/engines.md", import.meta.url), "utf8");

test("code in docs/engines.md is the code in this folder", () => {
  const shown = [...docs.matchAll(/^```ts\n\/\/ ([a-z.-]+\.ts)\n([^]*?)^```/gm)];
  for (const [, name, code] of shown) {
    expect(`${name}\n${code}`).toBe(
      `${name}\n${readFileSync(new URL(name ?? "", folder), "utf8")}`,
    );
  }
  const files = readdirSync(folder).filter((name) => name !== "examples.test.ts");
  expect(new Set(shown.map(([, name]) => name))).toEqual(new Set(files));
  // No code in TypeScript that this test does not see.
  expect(docs.match(/^```(ts|js)$/gm)).toHaveLength(files.length);
});

test("a module of several engines", () => {
  expect(enginesOf({ default: [greet, order, primes] }, "examples").map(({ id }) => id)).toEqual([
    "greet",
    "order.place",
    "primes",
  ]);
});

test("primes are counted, with progress, until told to stop", async () => {
  const recorder = createRecorder();
  expect(await runEngine(primes, { below: 1_000_000 }, { recorder })).toEqual({ count: 78_498 });
  expect(recorder.progress).toHaveLength(9);
  expect(recorder.logs).toEqual([
    { level: "info", message: "counted", fields: { below: 1_000_000, count: 78_498 } },
  ]);
  expect(await runEngine(primes, { below: 12, list: true })).toEqual({
    count: 5,
    primes: [2, 3, 5, 7, 11],
  });
  const signal = AbortSignal.abort(new Error("canceled"));
  await expect(runEngine(primes, { below: 1_000_000 }, { signal })).rejects.toThrow("canceled");
});
