import type { Execution, Problem } from "@tl-engine/contract";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, soon, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

async function submit(json: object = { input: 1 }, as?: Record<string, string>): Promise<string> {
  const response = await api.ask("/api/v1/engines/echo/execute", { json, ...(as && { as }) });
  expect(response.status).toBe(202);
  return ((await response.json()) as Execution).execution_id;
}
const get = async (path: string, headers: Record<string, string> = {}) =>
  api.ask(`/api/v1${path}`, { headers });
const body = async <T = Execution>(response: Response) => (await response.json()) as T;
const unknownId = "0199aaaa-0000-7000-8000-000000000000";

test("a database that does not answer is 503 before a caller gives up, for every kind of read", async () => {
  const id = await submit();
  const blocker = new Client({ connectionString: api.database.url });
  await blocker.connect();
  try {
    await blocker.query("BEGIN; LOCK TABLE executions, engine_counters IN ACCESS EXCLUSIVE MODE");
    const askedAt = performance.now();
    const paths = [
      `/executions/${id}`,
      `/engines/status?execution_id=${id}`,
      "/executions",
      "/engines/metrics",
    ];
    const answers = await Promise.all(paths.map((path) => get(path)));
    expect(performance.now() - askedAt).toBeLessThan(8_000);
    for (const answer of answers) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
  } finally {
    await blocker.end();
  }
  expect((await get(`/executions/${id}`)).status).toBe(200);
});

describe("one execution", () => {
  test("both addresses tell the same, before, while and after it runs", async () => {
    const id = await submit();
    const both = async () => {
      const [a, b] = await Promise.all([
        get(`/executions/${id}`),
        get(`/engines/echo@1/status?execution_id=${id.toUpperCase()}`),
      ]);
      const [first, second] = [await a.text(), await b.text()];
      expect(first).toBe(second);
      expect(a.headers.get("cache-control")).toBe("private, no-cache");
      expect(a.headers.get("vary")).toBe("Authorization, X-API-Key, Origin");
      return { response: a, execution: JSON.parse(first) as Execution };
    };
    const queued = await both();
    expect(queued.response.headers.get("retry-after")).toBe("1");
    expect(queued.execution).toMatchObject({
      status: "queued",
      done: false,
      attempt: 0,
      output: null,
      metrics: { queued_ms: null, run_ms: null },
    });
    const dispatch = await api.start(id);
    expect((await both()).execution).toMatchObject({ status: "running", attempt: 1, wait: null });
    const outputText = '{"big":0.10,"a":[]}';
    await api.stack.settler.settle({ id, dispatch, attempt: 1, outcome: "succeeded", outputText });
    const done = await both();
    expect(done.response.headers.get("retry-after")).toBeNull();
    expect(done.execution).toMatchObject({ status: "succeeded", done: true, output: { big: 0.1 } });
    expect(done.execution.metrics.run_ms).not.toBeNull();
  });

  test("include adds input, attempts and calls", async () => {
    const id = await submit({ input: { x: 1 } });
    await api.finish(id);
    const plain = await body(await get(`/executions/${id}`));
    expect(Object.keys(plain)).not.toEqual(expect.arrayContaining(["input"]));
    const full = await body(await get(`/executions/${id}?include=attempts,calls,input`));
    expect(full).toMatchObject({ input: { x: 1 }, calls: [] });
    expect(full.attempts).toHaveLength(1);
  });

  test("If-None-Match is 304 until something changes", async () => {
    const id = await submit();
    const etag = (await get(`/executions/${id}`)).headers.get("etag")!;
    expect(etag).toMatch(/^W\/"/);
    for (const known of [etag, `"x", ${etag}`, etag.slice(2), "*"]) {
      const response = await get(`/executions/${id}`, { "If-None-Match": known });
      expect(response.status).toBe(304);
      expect(await response.text()).toBe("");
      expect(response.headers.get("x-ratelimit-remaining")).not.toBeNull();
    }
    await api.start(id);
    const changed = await get(`/executions/${id}`, { "If-None-Match": etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(etag);
    expect((await get(`/executions/${id}`, { "If-None-Match": '"garbage' })).status).toBe(200);
  });

  test("wait holds until it is done", async () => {
    const id = await submit();
    const held = get(`/engines/echo/status?execution_id=${id}&wait=30`);
    await expect.poll(() => api.deps.watcher.held, soon).toBe(1);
    await api.finish(id);
    expect(await body(await held)).toMatchObject({ done: true, output: { ok: true } });
  });

  test("wait with If-None-Match holds until the tag differs, and is 304 when time is up", async () => {
    const id = await submit();
    await api.start(id);
    const etag = (await get(`/executions/${id}`)).headers.get("etag")!;
    const timedOut = await get(`/executions/${id}?wait=1`, { "If-None-Match": etag });
    expect(timedOut.status).toBe(304);
    const held = get(`/executions/${id}?wait=30`, { "If-None-Match": etag });
    await expect.poll(() => api.deps.watcher.held, soon).toBe(1);
    expect((await api.ask(`/api/v1/executions/${id}/cancel`, { method: "POST" })).status).toBe(202);
    const changed = await held;
    expect(changed.status).toBe(200);
    expect((await body(changed)).cancel).toMatchObject({ effect: null });
  });

  test.each([
    `/executions/${unknownId}`,
    "/executions/nonsense",
    "/executions/..%2f..%2fx",
    "/executions/%00",
    `/executions/${unknownId}?wait=99&bogus`,
    `/engines/echo/status?execution_id=${unknownId}`,
    `/engines/echo/status?execution_id=${unknownId}&wait=0`,
    "/engines/echo/status?execution_id=",
    `/engines/none/status?execution_id=${unknownId}`,
  ])("404 %s", async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect((await body<Problem>(response)).code).toBe("execution_not_found");
  });

  test("404 under another engine, and under another version", async () => {
    const id = await submit();
    for (const engine of ["resize", "echo@2", "none"]) {
      expect((await get(`/engines/${engine}/status?execution_id=${id}`)).status).toBe(404);
    }
  });

  test.each([
    "wait=0",
    "wait=61",
    "wait=1.5",
    "wait=",
    "wait=1&wait=2",
    "include=everything",
    "include=",
    "include=input,,calls",
    "bogus=1",
    "token=abc",
    "%ZZ=1",
    "wait=%ff",
    "wait=1%00",
  ])("400 ?%s", async (query) => {
    const id = await submit();
    for (const path of [
      `/executions/${id}?${query}`,
      `/engines/echo/status?execution_id=${id}&${query}`,
    ]) {
      const response = await get(path);
      expect(response.status).toBe(400);
      expect((await body<Problem>(response)).code).toBe("malformed_request");
    }
  });
});

describe("several executions", () => {
  test("in the order asked, with those that are not found", async () => {
    const [a, b] = [await submit(), await submit()];
    await api.finish(b, "[1]");
    const asked = `${b},${unknownId},nonsense,${a}`;
    const response = await get(`/engines/status?execution_id=${asked}`);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const answer = await body<{ executions: Execution[]; not_found: string[] }>(response);
    expect(answer.executions.map((one) => one.execution_id)).toEqual([b, a]);
    expect(answer.not_found).toEqual([unknownId, "nonsense"]);
    expect(answer.executions[0]).not.toHaveProperty("output");
    const full = await body<typeof answer>(
      await get(`/engines/status?execution_id=${asked}&include=output`),
    );
    expect(full.executions.map((one) => one.output)).toEqual([[1], null]);
    expect(full).not.toHaveProperty("not_included");
  });

  test("outputs stop at 16 MiB; the rest is named", async () => {
    const output = JSON.stringify("x".repeat(7 * 1024 * 1024));
    const ids = [await submit(), await submit(), await submit(), await submit()];
    for (const id of ids.slice(0, 3)) await api.finish(id, output);
    const answer = await body<{ executions: Execution[]; not_included: string[] }>(
      await get(`/engines/status?execution_id=${ids.join()}&include=output`),
    );
    expect(answer.executions.map((one) => one.execution_id)).toEqual(ids);
    expect(answer.executions.map((one) => typeof one.output)).toEqual([
      "string",
      "string",
      "undefined",
      "undefined",
    ]);
    expect(answer.not_included).toEqual(ids.slice(2));
  });

  test.each([
    "execution_id=",
    "execution_id=a,,b",
    `execution_id=${Array.from({ length: 101 }, (_, i) => i).join()}`,
    `execution_id=${unknownId}&wait=5`,
    `execution_id=${unknownId}&execution_id=${unknownId}`,
    "include=output",
  ])("400 ?%s", async (query) => {
    expect((await get(`/engines/status?${query}`)).status).toBe(400);
  });
});

describe("the list", () => {
  test("pages through the caller's own, newest first", async () => {
    const as = await api.program();
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push(await submit({ input: i, tags: [`t${i % 2}`] }, as));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = `limit=2${cursor === null ? "" : `&cursor=${cursor}`}`;
      const response = await api.ask(`/api/v1/executions?${query}`, { as });
      expect(response.status).toBe(200);
      const page = await body<{ executions: Execution[]; next_cursor: string | null }>(response);
      seen.push(...page.executions.map((one) => one.execution_id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids.toReversed());

    const filtered = async (query: string) => {
      const response = await api.ask(`/api/v1/executions?${query}`, { as });
      const { executions } = await body<{ executions: Execution[] }>(response);
      return executions.map((one) => ids.indexOf(one.execution_id));
    };
    expect(await filtered("tag=t1")).toEqual([3, 1]);
    expect(await filtered("engine=echo@1&status=queued&tag=t0")).toEqual([4, 2, 0]);
    expect(await filtered("engine=echo@2")).toEqual([]);
    expect(await filtered("status=failed")).toEqual([]);
    expect(await filtered("created_after=2999-01-01T00:00:00Z")).toEqual([]);
    expect(await filtered("created_before=2999-01-01T00:00:00+01:00&limit=1")).toEqual([4]);
    // tl-plane sees everybody's.
    const all = await body<{ executions: Execution[] }>(await get("/executions?limit=100"));
    expect(all.executions.map((one) => one.execution_id)).toEqual(expect.arrayContaining(ids));
  });

  test("a cursor that was changed in any place is refused", async () => {
    await submit();
    await submit();
    const { next_cursor } = await body<{ next_cursor: string }>(await get("/executions?limit=1"));
    for (let i = 0; i < next_cursor.length; i++) {
      const other = next_cursor[i] === "A" ? "B" : "A";
      const changed = next_cursor.slice(0, i) + other + next_cursor.slice(i + 1);
      expect((await get(`/executions?cursor=${changed}`)).status).toBe(400);
    }
    expect((await get(`/engines?cursor=${next_cursor}`)).status).toBe(400);
  });

  test.each([
    "limit=0",
    "limit=101",
    "limit=x",
    "status=done",
    "status=",
    "engine=UPPER",
    "engine=a@0",
    "tag=",
    `tag=${"x".repeat(65)}`,
    "tag=%00",
    "created_after=yesterday",
    "created_before=2026-02-30T00:00:00Z",
    "cursor=",
    "cursor=abc",
    "order=asc",
    "tag=a&tag=b",
    "include=secrets",
  ])("400 ?%s", async (query) => {
    expect((await get(`/executions?${query}`)).status).toBe(400);
  });
});

describe("cancel", () => {
  const cancel = (id: string, init = {}) =>
    api.ask(`/api/v1/executions/${id}/cancel`, { method: "POST", ...init });

  test("before it runs it is prevented; asking again is safe", async () => {
    const id = await submit();
    for (let i = 0; i < 2; i++) {
      const response = await cancel(id);
      expect(response.status).toBe(200);
      expect(await body(response)).toMatchObject({
        status: "canceled",
        done: true,
        cancel: { effect: "prevented" },
      });
    }
  });

  test("while it runs it is asked to stop; when it has ended it is too late", async () => {
    const id = await submit();
    const dispatch = await api.start(id);
    for (let i = 0; i < 2; i++) {
      const response = await cancel(id, { json: {} });
      expect(response.status).toBe(202);
      expect(response.headers.get("retry-after")).toBe("1");
      expect((await body(response)).cancel?.requested_at).toEqual(expect.any(String));
    }
    await api.stack.settler.settle({
      id,
      dispatch,
      attempt: 1,
      outcome: "succeeded",
      outputText: "1",
    });
    const late = await cancel(id);
    expect(late.status).toBe(409);
    expect((await body<Problem>(late)).code).toBe("execution_finished");
    expect(await body(await get(`/executions/${id}`))).toMatchObject({
      status: "succeeded",
      cancel: { effect: "too_late" },
    });
  });

  test("it takes no members and no parameters", async () => {
    const id = await submit();
    expect((await cancel(id, { json: { force: true } })).status).toBe(422);
    expect((await cancel(unknownId, { json: { force: true } })).status).toBe(404);
    expect(
      (await cancel(id, { body: "x", headers: { "Content-Type": "text/plain" } })).status,
    ).toBe(415);
    expect(
      (await api.ask(`/api/v1/executions/${id}/cancel?force=1`, { method: "POST" })).status,
    ).toBe(400);
    expect((await body(await get(`/executions/${id}`))).cancel).toBeNull();
  });
});
