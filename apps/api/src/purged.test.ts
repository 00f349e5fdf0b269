import type { Execution, Problem } from "@tl-engine/contract";
import { createRetention } from "@tl-engine/shared/executions/retention.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  expect(api.stack.errors).toEqual([]);
  await api.close();
});

const unknownId = "0199aaaa-0000-7000-8000-000000000000";
const get = (path: string, as?: Record<string, string>) =>
  api.ask(`/api/v1${path}`, as === undefined ? {} : { as });
const problem = async (response: Response) => (await response.json()) as Problem;

interface Submit {
  as?: Record<string, string>;
  key?: string;
  input?: unknown;
}
function submit({ as, key, input = 1 }: Submit = {}): Promise<Response> {
  return api.ask("/api/v1/engines/echo/execute", {
    json: { input },
    ...(as && { as }),
    ...(key !== undefined && { headers: { "Idempotency-Key": key } }),
  });
}
const idOf = async (response: Response) => ((await response.json()) as Execution).execution_id;

/** Lets everything that is finished leave, as the leader does after a short time of retention. */
async function purge(): Promise<void> {
  const retention = createRetention({
    pool: api.stack.db.pool,
    retentionMs: 1,
    callRetentionMs: 1,
    tombstoneRetentionMs: 90 * 86_400_000,
    onError: (error) => void api.stack.errors.push(error),
  });
  const left = async () => {
    retention.work();
    const { rows } = await api.stack.db.pool.query(
      "SELECT FROM executions WHERE finished_at IS NOT NULL",
    );
    return rows.length;
  };
  await expect.poll(left, { interval: 10, timeout: 10_000 }).toBe(0);
  await retention.stop();
}

/** The members that differ between any two answers. */
const fixed = ({ request_id: _, ...rest }: Problem): Partial<Problem> => rest;

test("an execution past its retention is gone with a tombstone, at every address", async () => {
  const mine = await api.program();
  const id = await idOf(await submit({ as: mine }));
  await api.finish(id);
  const before = (await (await get(`/executions/${id}`, mine)).json()) as Execution;
  await purge();

  const answers = await Promise.all([
    get(`/executions/${id}`, mine),
    get(`/executions/${id.toUpperCase()}?wait=30&include=attempts`, mine),
    get(`/engines/echo/status?execution_id=${id}`, mine),
    get(`/engines/echo@1/status?execution_id=${id}`, mine),
    get(`/executions/${id}`),
    api.ask(`/api/v1/executions/${id}/cancel`, { method: "POST", as: mine }),
    // It comes before what is wrong with the rest of the request, as a 404 does.
    get(`/executions/${id}?wait=soon`, mine),
    api.ask(`/api/v1/executions/${id}/cancel`, { method: "POST", as: mine, body: "{" }),
  ]);
  for (const answer of answers) {
    expect(answer.status).toBe(410);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("etag")).toBeNull();
    expect(fixed(await problem(answer))).toEqual({
      type: "https://tl-engine.dev/docs/errors#execution_purged",
      title: "The execution's record has been removed",
      status: 410,
      detail: `The execution ended as succeeded at ${before.finished_at}, and has been removed`,
      code: "execution_purged",
      tombstone: { execution_id: id, status: "succeeded", finished_at: before.finished_at },
    });
  }
  const list = (await (await get("/executions", mine)).json()) as { executions: Execution[] };
  expect(list.executions).toEqual([]);
});

test("for another caller, and under another engine, it is as if it had never been", async () => {
  const [mine, other] = [await api.program(), await api.program()];
  const id = await idOf(await submit({ as: mine }));
  await api.finish(id);
  await purge();
  for (const path of ["/executions/", "/engines/echo/status?execution_id="]) {
    const [asked, never] = [await get(path + id, other), await get(path + unknownId, other)];
    expect(asked.status).toBe(404);
    expect([...asked.headers.keys()]).toEqual([...never.headers.keys()]);
    expect(fixed(await problem(asked))).toEqual(fixed(await problem(never)));
  }
  const cancel = (which: string) =>
    api.ask(`/api/v1/executions/${which}/cancel`, { method: "POST", as: other });
  const [asked, never] = [await cancel(id), await cancel(unknownId)];
  expect(asked.status).toBe(404);
  expect(fixed(await problem(asked))).toEqual(fixed(await problem(never)));
  expect((await get(`/engines/slow/status?execution_id=${id}`, mine)).status).toBe(404);
  expect((await get(`/engines/echo@9/status?execution_id=${id}`, mine)).status).toBe(404);
  const several = await get(`/engines/status?execution_id=${id},${unknownId}`, other);
  expect(await several.json()).toEqual({ executions: [], not_found: [id, unknownId] });
});

test("several at once: what was purged is told apart from what never was", async () => {
  const mine = await api.program();
  const [there, gone] = [
    await idOf(await submit({ as: mine })),
    await idOf(await submit({ as: mine })),
  ];
  await api.finish(gone);
  await purge();
  const ids = [gone.toUpperCase(), there, unknownId, gone].join();
  const several = await get(`/engines/status?execution_id=${ids}`, mine);
  expect(await several.json()).toEqual({
    executions: [expect.objectContaining({ execution_id: there })],
    not_found: [unknownId],
    purged: [
      {
        execution_id: gone,
        status: "succeeded",
        finished_at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ],
  });
});

test("what is not finished stays", async () => {
  const running = await idOf(await submit());
  await api.start(running);
  const waiting = await idOf(await submit());
  const done = await idOf(await submit());
  await api.finish(done);
  await purge();
  expect((await get(`/executions/${done}`)).status).toBe(410);
  for (const id of [running, waiting]) expect((await get(`/executions/${id}`)).status).toBe(200);
});

describe("a submit with the Idempotency-Key of a purged execution", () => {
  test("is answered with its tombstone for the key's 24 h, and then makes a new one", async () => {
    const mine = await api.program();
    const id = await idOf(await submit({ as: mine, key: "k1" }));
    await api.finish(id);
    await purge();
    const again = await Promise.all(
      Array.from({ length: 20 }, () => submit({ as: mine, key: "k1" })),
    );
    for (const answer of again) {
      expect(answer.status).toBe(410);
      expect((await problem(answer)).tombstone?.execution_id).toBe(id);
    }
    expect((await submit({ as: mine, key: "k1", input: 2 })).status).toBe(422);
    expect((await submit({ as: await api.program(), key: "k1" })).status).toBe(202);
    await api.stack.db.pool.query(
      "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 second' WHERE execution_id = $1",
      [id],
    );
    const anew = await submit({ as: mine, key: "k1" });
    expect(anew.status).toBe(202);
    expect(await idOf(anew)).not.toBe(id);
  });

  test("is refused also where the tombstone has gone, and makes no second one", async () => {
    const mine = await api.program();
    const id = await idOf(await submit({ as: mine, key: "k2" }));
    await api.finish(id);
    await purge();
    await api.stack.db.pool.query("DELETE FROM execution_tombstones WHERE execution_id = $1", [id]);
    const again = await submit({ as: mine, key: "k2" });
    expect(again.status).toBe(410);
    expect(await problem(again)).toMatchObject({ code: "execution_purged" });
  });
});

test("a request that is held for an execution that leaves is answered with its tombstone", async () => {
  const id = await idOf(await submit());
  // Held until its tag differs, whatever happens: nobody says that it has ended.
  const held = get(`/executions/${id}?wait=30`);
  await expect.poll(() => api.deps.watcher.held).toBe(1);
  await api.stack.db.pool.query(
    `WITH gone AS (DELETE FROM executions WHERE id = $1 RETURNING *)
     INSERT INTO execution_tombstones (execution_id, finished_at, version, status, caller_id, engine_id)
     SELECT id, now(), version, 'succeeded', caller_id, engine_id FROM gone`,
    [id],
  );
  const answer = await held;
  expect(answer.status).toBe(410);
  expect((await problem(answer)).tombstone?.execution_id).toBe(id);
  expect(api.answers.at(-1)?.waitedMs).toBeLessThan(25_000);
});
