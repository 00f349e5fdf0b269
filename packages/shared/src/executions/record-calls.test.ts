import type pg from "pg";
import { expect, test } from "vitest";
import { createCallRecorder, type CallRecord } from "./record-calls.ts";

test("a call whose time is none is said, and rejects nothing", async () => {
  const errors: unknown[] = [];
  const written: unknown[] = [];
  const pool = { query: async (_text: string, values: unknown[]) => void written.push(...values) };
  const recorder = createCallRecorder(
    pool as unknown as pg.Pool,
    () => Date.now(),
    (error) => void errors.push(error),
  );
  const call = { execution_id: "x", started_at: "no time" } as CallRecord;
  await recorder.record(call);
  expect(errors).toMatchObject([{ name: "RangeError" }]);
  await recorder.record({ ...call, started_at: new Date().toISOString() });
  expect(written).toHaveLength(1);
});
