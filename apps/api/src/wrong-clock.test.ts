import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(() => api.close());
afterEach(() => void vi.useRealTimers());

const minute = 60_000;

/** This process' clock is off by so much; Postgres' is not. */
function setClockOffBy(ms: number): void {
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
}

async function submit(options: Record<string, string> = {}, by = api) {
  const json = { input: {}, options };
  const answer = await by.ask("/api/v1/engines/echo/execute", { json });
  expect(answer.status).toBe(202);
  const body = (await answer.json()) as { execution_id: string; status: string };
  return { ...body, retryAfter: Number(answer.headers.get("retry-after")) };
}

describe.each([
  ["ten minutes ahead", 10 * minute],
  ["ten minutes behind", -10 * minute],
])("an API whose clock is %s", (_, offMs) => {
  test("goes by Postgres' clock in ids, due times and what it tells callers", async () => {
    const now = Date.now();
    setClockOffBy(offMs);
    const queued = await submit();
    expect(queued).toMatchObject({ status: "queued", retryAfter: 1 });
    const idTime = Number.parseInt(queued.execution_id.replaceAll("-", "").slice(0, 12), 16);
    expect(Math.abs(idTime - now)).toBeLessThan(minute);

    // Ahead of it, though in the past by this process' clock; and the other way round.
    const soon = await submit({ run_at: new Date(now + 5 * minute).toISOString() });
    expect(soon).toMatchObject({ status: "scheduled", retryAfter: 60 });
    const over = await submit({ run_at: new Date(now - 5 * minute).toISOString() });
    expect(over).toMatchObject({ status: "queued", retryAfter: 1 });
    const delayed = await submit({ delay: "30s" });
    expect(delayed.status).toBe("scheduled");
    expect(delayed.retryAfter).toBeGreaterThan(20);
    expect(delayed.retryAfter).toBeLessThanOrEqual(30);

    const read = await api.ask(`/api/v1/executions/${queued.execution_id}`);
    expect(read.headers.get("retry-after")).toBe("1");
    const cancel = await api
      .start(queued.execution_id)
      .then(() => api.ask(`/api/v1/executions/${queued.execution_id}/cancel`, { method: "POST" }));
    expect([cancel.status, cancel.headers.get("retry-after")]).toEqual([202, "1"]);
  });
});

test("a list goes by the time of recording, whatever the clocks of those who recorded", async () => {
  const other = await openTestApi({ database: api.database, borrowed: true });
  try {
    const ids: string[] = [];
    for (const [by, offMs] of [
      [api, 10 * minute],
      [other, -10 * minute],
      [api, 0],
    ] as const) {
      setClockOffBy(offMs);
      ids.push((await submit({}, by)).execution_id);
    }
    const list = await other.ask("/api/v1/executions?limit=3");
    const { executions } = (await list.json()) as { executions: { execution_id: string }[] };
    expect(executions.map(({ execution_id: id }) => id)).toEqual(ids.toReversed());
  } finally {
    await other.close();
  }
});
