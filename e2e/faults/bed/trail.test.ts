import { expect, test } from "vitest";
import { countEnds, longestGapMs, type Move } from "./trail.ts";

let seq = 0;
const move = (at: number, id: string, from: string | null, to: string): Move => ({
  seq: seq++,
  at,
  id,
  engine: "sleep",
  from,
  to,
  dispatch: 0,
  worker: null,
});

test("an end that comes twice, and one that is left, are counted", () => {
  const once = [
    move(0, "a", null, "queued"),
    move(1, "a", "queued", "running"),
    move(2, "a", "running", "succeeded"),
  ];
  expect(countEnds(once)).toEqual({ endedTwice: 0, wentBack: 0 });
  const back = [...once, move(3, "a", "succeeded", "running"), move(4, "a", "running", "failed")];
  expect(countEnds(back)).toEqual({ endedTwice: 1, wentBack: 1 });
});

test("the longest gap is counted from the first that waits, between starts and ends, and only while one is unfinished", () => {
  expect(
    longestGapMs([
      move(0, "a", null, "queued"),
      move(10, "a", "queued", "running"),
      // Neither a new one nor a taken back one is progress.
      move(15, "b", null, "queued"),
      move(30, "a", "running", "queued"),
      move(60, "a", "queued", "running"),
      move(61, "a", "running", "succeeded"),
      move(62, "b", "queued", "canceled"),
      // Nothing is unfinished.
      move(1_000, "c", null, "queued"),
      move(1_020, "c", "queued", "expired"),
    ]),
  ).toBe(50);
});
