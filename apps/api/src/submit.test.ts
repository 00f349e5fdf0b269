import type { Accepted, Execution, Problem } from "@tl-engine/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, soon, type AskInit, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

const echo = "/api/v1/engines/echo/execute";
const resize = "/api/v1/engines/resize/execute";
const good = { url: "https://example.com/a.pdf" };

const submit = (path: string, json: unknown, init: AskInit = {}) =>
  api.ask(path, { ...init, json });
const accepted = async (response: Response) => {
  expect(response.status).toBe(202);
  return (await response.json()) as Accepted;
};
const problem = async (response: Response) => (await response.json()) as Problem;
const execution = async (id: string, query = "") => {
  const response = await api.ask(`/api/v1/executions/${id}${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Execution;
};

test("a submit is recorded with everything that was asked, and can be read at once", async () => {
  const response = await submit(resize, {
    input: good,
    options: { priority: "high", ttl: "15m", timeout: "1m", max_attempts: 5 },
    tags: ["invoice", "a"],
    metadata: { order: "A-17", n: 1, b: true },
  });
  expect(response.headers.get("retry-after")).toBe("1");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const body = await accepted(response);
  expect(response.headers.get("location")).toBe(`/api/v1/executions/${body.execution_id}`);
  expect(body).toEqual({
    execution_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
    engine: "resize",
    version: 2,
    status: "queued",
    done: false,
    created_at: expect.any(String),
    links: {
      self: `/api/v1/executions/${body.execution_id}`,
      status: `/api/v1/engines/resize/status?execution_id=${body.execution_id}`,
      cancel: `/api/v1/executions/${body.execution_id}/cancel`,
    },
  });
  for (const address of [body.links.self, body.links.status]) {
    expect((await api.ask(address)).status).toBe(200);
  }
  const read = await execution(body.execution_id, "?include=input");
  expect(read).toMatchObject({
    max_attempts: 5,
    tags: ["invoice", "a"],
    metadata: { order: "A-17", n: 1, b: true },
    input: good,
  });
  expect(Date.parse(read.expires_at) - Date.parse(read.created_at)).toBe(15 * 60_000);
});

test("an engine is named with or without its version, in the path or in the body", async () => {
  const versions = [];
  for (const ref of ["resize", "resize@1", "resize@2"]) {
    versions.push(
      (await accepted(await submit(`/api/v1/engines/${ref}/execute`, { input: good }))).version,
    );
    const any = await submit("/api/v1/engines/execute", { engine: ref, input: good });
    versions.push((await accepted(any)).version);
  }
  expect(versions).toEqual([2, 2, 1, 1, 2, 2]);
});

test("run_at and delay make it scheduled; what lies in the past is now", async () => {
  const soon = new Date(Date.now() + 600_000).toISOString();
  const at = await submit(echo, { input: 1, options: { run_at: soon, ttl: "1m" } });
  expect(Number(at.headers.get("retry-after"))).toBe(60);
  const body = await accepted(at);
  expect(body.status).toBe("scheduled");
  const read = await execution(body.execution_id);
  expect(read.run_at).toBe(soon);
  expect(Date.parse(read.expires_at) - Date.parse(soon)).toBe(60_000);

  const delayed = await accepted(await submit(echo, { input: 1, options: { delay: "1h" } }));
  expect(delayed.status).toBe("scheduled");
  for (const options of [
    { delay: "0s" },
    { run_at: "2020-01-01T00:00:00Z" },
    { delay: null, run_at: null },
  ]) {
    expect((await accepted(await submit(echo, { input: 1, options }))).status).toBe("queued");
  }
});

test.each([
  ["an empty object", { a: {} }],
  ["null", null],
  ["false", false],
  ["a deep one", JSON.parse("[".repeat(60) + "]".repeat(60))],
  [
    "names that are properties of objects",
    JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2}'),
  ],
  ["any character", "\u0001\uffff😀\ud83d\ude00"],
  ["exact integers", [9007199254740991, -9007199254740991, 0.1, 1e300]],
])("input is kept as sent: %s", async (_name, input) => {
  const { execution_id } = await accepted(await submit(echo, { input }));
  expect(JSON.stringify((await execution(execution_id, "?include=input")).input)).toBe(
    JSON.stringify(input),
  );
  expect(({} as { x?: number }).x).toBeUndefined();
});

describe("422 names every wrong member", () => {
  const tooFar = new Date(Date.now() + 31 * 86_400_000).toISOString();
  test.each<[string, string, unknown, string[]]>([
    ["no input", echo, {}, ["/input"]],
    ["no object", echo, [], [""]],
    ["unknown members", echo, { input: 1, bogus: 1, callback: {} }, ["/bogus", "/callback"]],
    ["unknown options", echo, { input: 1, options: { weight: 1 } }, ["/options/weight"]],
    [
      "own columns",
      echo,
      { input: 1, caller_id: "x", id: "y", status: "succeeded" },
      ["/caller_id", "/id", "/status"],
    ],
    ["__proto__", echo, JSON.parse('{"input":1,"__proto__":{}}'), ["/__proto__"]],
    [
      "__proto__ in metadata",
      echo,
      JSON.parse('{"input":1,"metadata":{"__proto__":{"a":1}}}'),
      ["/metadata/__proto__"],
    ],
    [
      "too much metadata",
      echo,
      {
        input: 1,
        metadata: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`m${n}`, 1])),
      },
      ["/metadata"],
    ],
    ["metadata", echo, { input: 1, metadata: { a: [], b: null } }, ["/metadata/a", "/metadata/b"]],
    ["tags", echo, { input: 1, tags: ["", 5] }, ["/tags/0", "/tags/1"]],
    ["priority", echo, { input: 1, options: { priority: 1 } }, ["/options/priority"]],
    [
      "durations",
      echo,
      { input: 1, options: { ttl: "5", delay: "-1s", timeout: 5 } },
      ["/options/delay", "/options/timeout", "/options/ttl"],
    ],
    [
      "delay and run_at",
      echo,
      { input: 1, options: { delay: "1s", run_at: tooFar } },
      ["/options/delay", "/options/run_at"],
    ],
    ["run_at too far", echo, { input: 1, options: { run_at: tooFar } }, ["/options/run_at"]],
    ["delay too long", echo, { input: 1, options: { delay: "31d" } }, ["/options/delay"]],
    ["run_at no time", echo, { input: 1, options: { run_at: "tomorrow" } }, ["/options/run_at"]],
    [
      "ceilings",
      resize,
      { input: good, options: { timeout: "3m", ttl: "2d", max_attempts: 6 } },
      ["/options/max_attempts", "/options/timeout", "/options/ttl"],
    ],
    [
      "nothing",
      resize,
      { input: good, options: { timeout: "0s", ttl: "0ms" } },
      ["/options/timeout", "/options/ttl"],
    ],
    [
      "input",
      resize,
      { input: { url: "x y", width: 0, mode: "no", tags: ["a", 1], "a/b~c": 1 } },
      ["/input/a~1b~0c", "/input/mode", "/input/tags/1", "/input/url", "/input/width"],
    ],
    ["required input", resize, { input: {} }, ["/input/url"]],
    [
      "input and options",
      resize,
      { input: { width: "1" }, options: { nope: 1 } },
      ["/input/url", "/input/width", "/options/nope"],
    ],
    [
      "NUL and surrogates",
      echo,
      { input: { a: "\u0000", b: ["\ud800"] }, tags: ["\udc00"] },
      ["/input/a", "/input/b/0", "/tags/0"],
    ],
  ])("%s", async (_name, path, body, pointers) => {
    const response = await submit(path, body);
    expect(response.status).toBe(422);
    const { code, errors } = await problem(response);
    expect(code).toBe("invalid_input");
    expect([...new Set(errors?.map((error) => error.pointer))].sort()).toEqual(pointers);
  });

  test("in a body of half a million wrong members, the first", async () => {
    const tags = Array.from({ length: 400_000 }, () => 1);
    const { errors } = await problem(await submit(resize, { input: { ...good, tags } }));
    expect(errors).toEqual([{ pointer: "/input/tags/0", detail: "must be string" }]);
  });

  test("no more than 100", async () => {
    const tags = Array.from({ length: 5_000 }, () => 1);
    expect((await problem(await submit(resize, { input: { ...good, tags } }))).errors).toHaveLength(
      100,
    );
  });
});

describe("Idempotency-Key", () => {
  const keyed = (key: string, json: unknown, path = echo, init: AskInit = {}) =>
    submit(path, json, { ...init, headers: { "Idempotency-Key": key, ...init.headers } });

  test("the same request is the same execution, described as it is now", async () => {
    const first = await keyed("k-1", { input: { a: 1, b: [1, 2] }, tags: ["x"] });
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    const { execution_id } = await accepted(first);
    for (const [key, body] of [
      ["k-1", { tags: ["x"], input: { b: [1, 2], a: 1 } }],
      ['"k-1"', { input: { a: 1, b: [1, 2] }, tags: ["x"] }],
    ] as const) {
      const again = await keyed(key, body);
      expect(again.headers.get("idempotency-replayed")).toBe("true");
      expect((await accepted(again)).execution_id).toBe(execution_id);
    }
    await api.finish(execution_id);
    const done = await accepted(await keyed("k-1", { input: { a: 1, b: [1, 2] }, tags: ["x"] }));
    expect(done).toMatchObject({ execution_id, status: "succeeded", done: true });
    const waited = await keyed("k-1", { input: { a: 1, b: [1, 2] }, tags: ["x"] }, echo, {
      headers: { Prefer: "wait=5" },
    });
    expect(waited.status).toBe(200);
    expect(await waited.json()).toMatchObject({ execution_id, output: { ok: true } });
  });

  test("another request is a mismatch; the engine as asked is part of it", async () => {
    await accepted(await keyed("k-2", { input: good }, resize));
    for (const [body, path] of [
      [{ input: { ...good, width: 1 } }, resize],
      [{ input: good, tags: ["a"] }, resize],
      [{ input: good }, "/api/v1/engines/resize@2/execute"],
      [{ input: "not valid" }, resize],
    ] as const) {
      const response = await keyed("k-2", body, path);
      expect(response.status).toBe(422);
      expect((await problem(response)).code).toBe("idempotency_mismatch");
    }
    // The two ways to submit are one: the engine in the body is not part of the body.
    const other = await keyed("k-2", { engine: "resize", input: good }, "/api/v1/engines/execute");
    expect(other.headers.get("idempotency-replayed")).toBe("true");
  });

  test("only a committed execution takes the key", async () => {
    expect((await keyed("k-3", { input: {} }, resize)).status).toBe(422);
    await accepted(await keyed("k-3", { input: good }, resize));
  });

  test("100 at once over two processes are one execution", async () => {
    const other = await openTestApi({ database: api.database, borrowed: true });
    const init = { json: { input: 4 }, headers: { "Idempotency-Key": "k-4" } };
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? api : other).ask(echo, init)),
    );
    await other.close();
    const ids = await Promise.all(answers.map(async (one) => (await accepted(one)).execution_id));
    expect(new Set(ids).size).toBe(1);
    const replayed = answers.filter((one) => one.headers.get("idempotency-replayed") === "true");
    expect(replayed).toHaveLength(99);
  });

  test("keys are per caller", async () => {
    const [a, b] = [await api.program(), await api.program()];
    const first = await accepted(await keyed("k-5", { input: 1 }, echo, { as: a }));
    const second = await accepted(await keyed("k-5", { input: 2 }, echo, { as: b }));
    expect(second.execution_id).not.toBe(first.execution_id);
  });

  test("a replay is answered though the engine is gone, or takes its input no more", async () => {
    const { db, signals } = api.stack;
    await db.pool.query(
      `INSERT INTO engine_versions (engine_id, version, title, input_schema, output_schema, policy, fingerprint)
       SELECT 'gone', 1, title, input_schema, output_schema, policy, 'a' FROM engine_versions WHERE engine_id = 'echo'`,
    );
    signals.publish("catalogue", "");
    const path = "/api/v1/engines/gone/execute";
    await expect.poll(async () => (await keyed("k-6", { input: 1 }, path)).status, soon).toBe(202);
    const { execution_id } = await accepted(await keyed("k-6", { input: 1 }, path));
    await db.pool.query(
      `UPDATE engine_versions SET input_schema = '{"type":"string"}', fingerprint = 'b' WHERE engine_id = 'gone'`,
    );
    signals.publish("catalogue", "");
    await expect.poll(async () => (await submit(path, { input: 1 })).status, soon).toBe(422);
    expect((await accepted(await keyed("k-6", { input: 1 }, path))).execution_id).toBe(
      execution_id,
    );

    await api.finish(execution_id);
    await db.pool.query("DELETE FROM engine_versions WHERE engine_id = 'gone'");
    signals.publish("catalogue", "");
    await expect.poll(async () => (await submit(path, { input: 1 })).status, soon).toBe(404);
    const replay = await keyed("k-6", { input: 1 }, path);
    expect((await accepted(replay)).execution_id).toBe(execution_id);
    expect(replay.headers.get("idempotency-replayed")).toBe("true");
    // Anything but a replay gets the engine's 404, which comes first.
    expect((await keyed("k-6", { input: 2 }, path)).status).toBe(404);
    expect((await keyed("other", { input: 1 }, path)).status).toBe(404);
    expect((await keyed("k 6", { input: 1 }, path)).status).toBe(404);
    expect((await api.ask(path, { body: "{", headers: { "Idempotency-Key": "k-6" } })).status).toBe(
      404,
    );
  });

  test.each([["x".repeat(256)], [""], ['""'], ["a b"], ["a, b"], ["ü"]])(
    "malformed: %j",
    async (key) => {
      const response = await keyed(key, { input: 1 });
      expect(response.status).toBe(400);
      expect((await problem(response)).code).toBe("malformed_request");
    },
  );
});

describe("Prefer: wait", () => {
  test("200 with the whole status once it is done", async () => {
    const asked = submit(echo, { input: 1 }, { headers: { Prefer: "respond-async, wait=30" } });
    await expect.poll(() => api.deps.watcher.held, soon).toBe(1);
    const { rows } = await api.stack.db.pool.query<{ id: string }>(
      "SELECT id FROM executions ORDER BY id DESC LIMIT 1",
    );
    await api.finish(rows[0]!.id, '{"n":1.50}');
    const response = await asked;
    expect(response.status).toBe(200);
    expect(response.headers.get("preference-applied")).toBe("wait");
    expect(response.headers.get("retry-after")).toBeNull();
    const text = await response.text();
    expect(text).toContain('"output":{"n":1.50}');
    expect(JSON.parse(text)).toMatchObject({ status: "succeeded", done: true, attempt: 1 });
  });

  test("a wait that runs out is 202; what is malformed is ignored", async () => {
    for (const prefer of ["wait=1", "wait=-1", "wait", "wait=x", "nonsense;;,=", "wait=0"]) {
      const response = await submit(echo, { input: 1 }, { headers: { Prefer: prefer } });
      expect(response.status).toBe(202);
      expect(response.headers.get("preference-applied")).toBeNull();
    }
  });
});

test("a trace is taken and passed on; a broken one is left out", async () => {
  const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (const [sent, kept] of [
    [good, good],
    ["00-00000000000000000000000000000000-b7ad6b7169203331-01", null],
    ["garbage", null],
  ] as const) {
    const { execution_id } = await accepted(
      await submit(echo, { input: 1 }, { headers: { traceparent: sent } }),
    );
    const { rows } = await api.stack.db.pool.query(
      "SELECT traceparent FROM executions WHERE id = $1",
      [execution_id],
    );
    expect(rows).toEqual([{ traceparent: kept }]);
  }
});

test("503 with Retry-After while nothing can be recorded, within 3 s", async () => {
  const hanging = await openTestApi({
    database: await freshDatabase(),
    deps: {
      submitter: { submit: () => new Promise(() => {}), findReplay: () => new Promise(() => {}) },
    },
  });
  try {
    const since = performance.now();
    const response = await hanging.ask(echo, { json: { input: 1 } });
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("2");
    expect((await problem(response)).code).toBe("unavailable");
  } finally {
    await hanging.close();
  }
});
