import { expect, test } from "vitest";
import { aheadOf, maxAhead } from "./window.ts";

test.each([
  ["half a second of work", 30, 100, 150],
  ["never more than a thousand", 100, 1, maxAhead],
  ["also of an engine whose runs take no time", 10, 0, maxAhead],
  ["at least two of a slow engine", 10, 60_000, 2],
  ["a few where nobody serves it", 0, 100, 16],
])("%s: %i slots, runs of %i ms", (_, slots, runMs, ahead) => {
  expect(aheadOf(slots, runMs)).toBe(ahead);
});
