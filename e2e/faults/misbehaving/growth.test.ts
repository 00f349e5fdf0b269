import { expect, test } from "vitest";
import { growthOf } from "./growth.ts";

test("what goes up and down has not grown; what leaks has, under the same noise", () => {
  // Resident memory of a process in which threads filled their heaps, 25 of them between two figures.
  const noise = [304, 372, 346, 365, 438, 308, 227, 470, 346, 443, 319, 365];
  expect(growthOf(noise)).toBeLessThan(96);
  expect(growthOf(noise.map((mib, round) => mib + round * 15))).toBeGreaterThan(96);
  expect(growthOf([14, 15, 31])).toBe(17);
});
