import { expect, test } from "vitest";
import { createExecutionIds } from "./execution-ids.ts";

const timeOf = (id: string): number => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);

test("an id carries the time that it is given, and is a UUIDv7", () => {
  const at = Date.UTC(2031, 4, 5, 6, 7, 8, 9);
  const id = createExecutionIds(() => at + 0.75)();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(timeOf(id)).toBe(at);
});

test("ids grow, within a millisecond and where the time steps back, and leap with it", () => {
  let at = 1_000_000;
  const next = createExecutionIds(() => at);
  const ids = Array.from({ length: 1_000 }, next);
  at -= 600_000;
  ids.push(...Array.from({ length: 1_000 }, next));
  expect(timeOf(ids.at(-1) ?? "")).toBe(1_000_000);
  at = 2_000_000;
  ids.push(next());
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(timeOf(ids.at(-1) ?? "")).toBe(2_000_000);
});
