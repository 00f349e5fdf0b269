import { afterEach, expect, test, vi } from "vitest";
import { createRecordClock } from "./record-clock.ts";

afterEach(() => void vi.useRealTimers());

test("the time of the record is what Postgres said, and goes on as time goes on", () => {
  const said = new Date("2030-01-01T00:00:00Z");
  const clock = createRecordClock(said);
  const first = clock.now();
  expect(first).toBeGreaterThanOrEqual(said.getTime());
  expect(first).toBeLessThan(said.getTime() + 5_000);
  const startedAt = performance.now();
  while (performance.now() - startedAt < 5);
  expect(clock.now() - first).toBeGreaterThanOrEqual(5);
});

test("it leaps where Postgres' does, and not where this machine's is put right", () => {
  const clock = createRecordClock(new Date());
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  expect(Math.abs(clock.now() - Date.now() + 3_600_000)).toBeLessThan(5_000);
  const earlier = Date.UTC(2020, 1, 1);
  clock.hear(new Date(earlier));
  expect(clock.now() - earlier).toBeLessThan(5_000);
});
