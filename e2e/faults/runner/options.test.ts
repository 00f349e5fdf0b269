import { expect, test } from "vitest";
import { readOptions, UsageError } from "./options.ts";

test("what is left out is the whole, on both backends, with a seed of the runner's own", () => {
  expect(readOptions([])).toEqual({
    only: null,
    seed: null,
    backends: ["redis", "postgres"],
    short: false,
    list: false,
    minutes: null,
  });
});

test("one case, one seed, one backend", () => {
  const args = ["--only", "d4, D5b", "--seed", "42", "--backend", "postgres", "--short"];
  expect(readOptions(args)).toMatchObject({
    only: ["D4", "D5B"],
    seed: 42,
    backends: ["postgres"],
    short: true,
  });
});

test.each([
  ["--fast"],
  ["D4"],
  ["--seed", "x"],
  ["--seed", "-1"],
  ["--backend", "mysql"],
  ["--minutes", "9999"],
  ["--only"],
])("%s %s is refused with the usage", (...args) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(/usage: npm run test:faults/);
});
