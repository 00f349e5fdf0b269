import { randomBytes } from "node:crypto";
import type { Accepted, EngineDetail, Execution, Problem } from "@tl-engine/contract";
import { createCompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import { createHandOver } from "@tl-engine/shared/executions/hand-over.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { publishEngines } from "@tl-engine/shared/catalogue/publish.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, secretKey, type TestApi } from "./testing/api.ts";
import { testEngines } from "./testing/engines.ts";

let api: TestApi;
let program: Record<string, string>;
const tokens = createCompletionTokens(createSecretBox([secretKey]));

beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
  program = await api.program();
  for (const id of ["gpu", "other"]) {
    const made = await api.ask("/api/v1/connections", {
      json: { id, kind: "http", base_url: "https://gpu.example.com" },
    });
    expect(made.status).toBe(201);
  }
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

let last = 0;
const freshId = () => `remote.${(last += 1)}`;
const definition = (over: Record<string, unknown> = {}) => ({
  id: freshId(),
  version: 1,
  input_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
  output_schema: {
    type: "object",
    properties: { double: { type: "integer" } },
    required: ["double"],
  },
  connection: "gpu",
  ...over,
});
const register = (json: unknown) => api.ask("/api/v1/engines", { json });
const registered = async (over: Record<string, unknown> = {}): Promise<EngineDetail> => {
  const answer = await register(definition(over));
  expect(answer.status).toBe(201);
  return (await answer.json()) as EngineDetail;
};
const problem = async (answer: Response) => (await answer.json()) as Problem;
const pointers = async (answer: Response) =>
  (await problem(answer)).errors?.map(({ pointer }) => pointer);

describe("registering", () => {
  test("a version is in the catalogue at once, with the defaults of any engine; only tl-plane sees how it is reached", async () => {
    const wanted = definition({ title: "Doubles", path: "/run?x=1", example: { n: 2 } });
    const answer = await register(wanted);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`/api/v1/engines/${wanted.id}@1`);
    const remote = { connection: "gpu", method: "POST", path: "/run?x=1", is_active: true };
    const made = (await answer.json()) as EngineDetail;
    expect(made).toMatchObject({ id: wanted.id, version: 1, title: "Doubles", remote });
    const { input_schema, output_schema, example } = wanted as Record<string, unknown>;
    expect(made).toMatchObject({ input_schema, output_schema, example, state: "no_workers" });
    expect(made.defaults).toEqual({
      timeout: { default: "1m", max: "1h" },
      ttl: { default: "1d", max: "30d" },
      max_attempts: { default: 3, max: 25 },
      backoff: { initial: "1s", factor: 2, max: "5m" },
      concurrency: null,
      isolation: "inline",
    });
    const seen = (await (
      await api.ask(`/api/v1/engines/${wanted.id}`, { as: program })
    ).json()) as EngineDetail;
    expect(seen.remote).toBeUndefined();
    expect(seen.title).toBe("Doubles");
  });

  test.each([
    ["an id of the API's", { id: "status" }, ["/id"]],
    ["no version", { version: 0 }, ["/version"]],
    ["a schema that is none", { input_schema: { type: "strange" } }, ["/input_schema/type"]],
    [
      "another dialect",
      { output_schema: { $schema: "http://json-schema.org/draft-07/schema#" } },
      ["/output_schema/$schema"],
    ],
    [
      "a reference to elsewhere",
      { input_schema: { properties: { a: { $ref: "https://example.com/a.json" } } } },
      ["/input_schema/properties/a/$ref"],
    ],
    ["a reference to nowhere", { input_schema: { $ref: "#/$defs/none" } }, ["/input_schema"]],
    ["a pattern that is none", { input_schema: { pattern: "(" } }, ["/input_schema"]],
    [
      "a schema that is too large",
      { input_schema: { const: "x".repeat(300_000) } },
      ["/input_schema"],
    ],
    ["no such connection", { connection: "nobody" }, ["/connection"]],
    ["a path to elsewhere", { path: "//example.com/" }, ["/path"]],
    ["a path up", { path: "/a/../b" }, ["/path"]],
    ["a method that sends nothing", { method: "GET" }, ["/method"]],
    ["a timeout that is too long", { policy: { timeout: { max: "8d" } } }, ["/policy/timeout/max"]],
    [
      "a default above its max",
      { policy: { timeout: { default: "2m", max: "1m" } } },
      ["/policy/timeout"],
    ],
    [
      "a backoff that ends before it begins",
      { policy: { backoff: { initial: "1m", max: "1s" } } },
      ["/policy/backoff/max"],
    ],
    ["an example that does not fit", { example: { n: "2" } }, ["/example/n"]],
    ["an unknown member", { uses: ["http"] }, ["/uses"]],
  ])("%s is refused by its name", async (_what, over, expected) => {
    const answer = await register(definition(over));
    expect(answer.status).toBe(422);
    expect(await pointers(answer)).toEqual(expected);
  });

  test("an id that workers have, and a version that is there, are 409; and a worker does not get an id that is registered", async () => {
    const taken = await register(definition({ id: testEngines[0]!.id, version: 77 }));
    expect(taken.status).toBe(409);
    expect((await problem(taken)).code).toBe("engine_exists");
    const { id } = await registered();
    expect((await problem(await register(definition({ id })))).code).toBe("engine_exists");
    expect((await register(definition({ id, version: 2 }))).status).toBe(201);
    const { db, signals, registration } = api.stack;
    for (const version of [1, 3]) {
      const offered = { ...testEngines[0]!, id, version };
      const options = { processId: registration.id, replace: true };
      const { served, refused } = await publishEngines(db, signals, [offered], options);
      expect(served).toEqual([]);
      expect(refused[0]?.reason).toContain("remote engine");
    }
  });

  test("it is tl-plane's alone", async () => {
    const { id } = await registered();
    for (const [method, path, json] of [
      ["POST", "/api/v1/engines", definition()],
      ["PATCH", `/api/v1/engines/${id}`, { title: "x" }],
      ["DELETE", `/api/v1/engines/${id}`, undefined],
    ] as const) {
      expect((await api.ask(path, { method, as: program, json })).status).toBe(403);
    }
  });
});

describe("changing", () => {
  const change = (name: string, json: unknown) =>
    api.ask(`/api/v1/engines/${name}`, { method: "PATCH", json });

  test("connection, path, policy and words change; the rest stays, and the highest version is meant", async () => {
    const { id } = await registered({ policy: { max_attempts: 7 } });
    await registered({ id, version: 2 });
    const answer = await change(id, { connection: "other", path: "/v2", description: "new" });
    expect(answer.status).toBe(200);
    const remote = { connection: "other", path: "/v2", method: "POST" };
    expect(await answer.json()).toMatchObject({ version: 2, remote, description: "new" });
    const first = await change(`${id}@1`, { policy: { concurrency: 3 } });
    expect(await first.json()).toMatchObject({
      version: 1,
      remote: { connection: "gpu" },
      defaults: { concurrency: 3, max_attempts: { default: 3 } },
    });
  });

  test("a schema may be said again, and does not change", async () => {
    const wanted = definition();
    await register(wanted);
    const { input_schema, output_schema } = wanted;
    expect((await change(wanted.id, { input_schema, output_schema, title: "x" })).status).toBe(200);
    const other = await change(wanted.id, { output_schema: { type: "string" } });
    expect(other.status).toBe(422);
    expect(await pointers(other)).toEqual(["/output_schema"]);
  });

  test("what is not registered is 404, also where workers have it", async () => {
    expect((await change("nobody-has-this", { title: "x" })).status).toBe(404);
    expect((await change(testEngines[0]!.id, { title: "x" })).status).toBe(404);
    const { id } = await registered();
    expect((await change(`${id}@9`, { title: "x" })).status).toBe(404);
    expect((await change(id, { connection: "nobody" })).status).toBe(422);
  });
});

const submit = (id: string, n = 1) =>
  api.ask(`/api/v1/engines/${id}/execute`, { json: { input: { n } }, as: program });
const accepted = async (id: string) => ((await (await submit(id)).json()) as Accepted).execution_id;
const status = async (id: string) =>
  (await (await api.ask(`/api/v1/executions/${id}?include=attempts`)).json()) as Execution;

/** As its worker would after the service's 202. */
async function handedOver(engineId: string): Promise<{ id: string; dispatch: number }> {
  const id = await accepted(engineId);
  const dispatch = await api.start(id);
  const { db, signals, registration } = api.stack;
  const writer = createHandOver({ db, signals, workerId: registration.id, onError: () => {} });
  expect(await writer.handOver({ id, dispatch })).toBe("handed_over");
  return { id, dispatch };
}

describe("removing", () => {
  const remove = (name: string) => api.ask(`/api/v1/engines/${name}`, { method: "DELETE" });

  test("not under unfinished executions; switched off it takes nothing new, and what there is goes on", async () => {
    const { id } = await registered();
    const execution = await handedOver(id);
    const refused = await remove(id);
    expect(refused.status).toBe(409);
    expect(await problem(refused)).toMatchObject({ code: "engine_in_use" });
    const off = await api.ask(`/api/v1/engines/${id}`, {
      method: "PATCH",
      json: { is_active: false },
    });
    expect(await off.json()).toMatchObject({ remote: { is_active: false } });
    const late = await submit(id);
    expect(late.status).toBe(409);
    expect((await problem(late)).code).toBe("engine_inactive");
    expect((await complete(execution, { output: { double: 2 } })).status).toBe(204);
    expect((await remove(id)).status).toBe(204);
    expect((await remove(id)).status).toBe(404);
    expect((await submit(id)).status).toBe(404);
    // Its finished executions stay.
    expect((await status(execution.id)).output).toEqual({ double: 2 });
    expect((await register(definition({ id }))).status).toBe(201);
  });

  test("a bare id means all its versions, or none of them", async () => {
    const { id } = await registered();
    await registered({ id, version: 2 });
    const execution = await accepted(`${id}@1`);
    expect((await remove(id)).status).toBe(409);
    expect((await api.ask(`/api/v1/engines/${id}@2`)).status).toBe(200);
    await api.ask(`/api/v1/executions/${execution}/cancel`, { method: "POST" });
    expect((await remove(id)).status).toBe(204);
    expect((await api.ask(`/api/v1/engines/${id}`)).status).toBe(404);
  });
});

function complete(
  { id, dispatch }: { id: string; dispatch: number },
  json: unknown,
  token = tokens.make(id, dispatch),
): Promise<Response> {
  const as = { Authorization: `Bearer ${token}` };
  return api.ask(`/api/v1/executions/${id}/complete`, { json, as });
}

describe("completing", () => {
  let engine: string;
  beforeAll(async () => {
    engine = (await registered({ policy: { max_attempts: 2 } })).id;
  });

  test("meanwhile it runs, with no worker; then the output is there, and a second completion is 409", async () => {
    const one = await handedOver(engine);
    const held = await status(one.id);
    expect(held).toMatchObject({ status: "running", attempt: 1 });
    expect(held.attempts?.map((attempt) => attempt.worker_id)).toEqual(["remote"]);
    expect((await complete(one, { progress: { fraction: 0.5, message: "half" } })).status).toBe(
      204,
    );
    expect((await status(one.id)).progress).toMatchObject({ fraction: 0.5, message: "half" });
    expect((await complete(one, { output: { double: 2 } })).status).toBe(204);
    expect(await status(one.id)).toMatchObject({ status: "succeeded", output: { double: 2 } });
    for (const again of [{ output: { double: 2 } }, { error: { detail: "no" } }]) {
      const answer = await complete(one, again);
      expect(answer.status).toBe(409);
      expect((await problem(answer)).code).toBe("execution_finished");
    }
    expect((await complete(one, { progress: { fraction: 1 } })).status).toBe(409);
    expect(await status(one.id)).toMatchObject({ output: { double: 2 } });
  });

  test("an error that may pass is retried under the policy, the last one ends it, and an older dispatch counts no more", async () => {
    const one = await handedOver(engine);
    expect((await complete(one, { error: { detail: "busy" } })).status).toBe(204);
    expect(await status(one.id)).toMatchObject({
      status: "queued",
      wait: { reason: "retry_backoff" },
      attempts: [{ worker_id: "remote", outcome: "failed", error: { code: "engine_error" } }],
    });
    expect((await complete(one, { output: { double: 2 } })).status).toBe(409);
    await api.stack.db.pool.query(
      "UPDATE executions SET due_at = NULL, wait_reason = NULL, ready_at = now() WHERE id = $1",
      [one.id],
    );
    const second = { id: one.id, dispatch: await api.start(one.id) };
    expect(second.dispatch).toBeGreaterThan(one.dispatch);
    expect((await complete(one, { output: { double: 2 } })).status).toBe(409);
    // The service may be quicker than the record of its 202: it is settled while the worker still has it.
    const said = { error: { detail: "still busy", code: "upstream_error" } };
    expect((await complete(second, said)).status).toBe(204);
    expect(await status(one.id)).toMatchObject({
      status: "failed",
      error: { code: "upstream_error", detail: "still busy", attempt: 2 },
    });
    const { db, signals, registration } = api.stack;
    const writer = createHandOver({ db, signals, workerId: registration.id, onError: () => {} });
    expect(await writer.handOver(second)).toBe("stale");
  });

  test("an error that will not pass ends it at once", async () => {
    const one = await handedOver(engine);
    await complete(one, { error: { detail: "no such file", retryable: false } });
    expect(await status(one.id)).toMatchObject({ status: "failed", attempt: 1 });
  });

  test("an output that does not fit is 422 by its pointer, and the execution goes on", async () => {
    const one = await handedOver(engine);
    const wrong = await complete(one, { output: { double: "2" } });
    expect(wrong.status).toBe(422);
    expect(await pointers(wrong)).toEqual(["/output/double"]);
    for (const body of [{}, { output: 1, error: { detail: "x" } }, { error: {} }, { out: 1 }]) {
      expect((await complete(one, body)).status).toBe(422);
    }
    expect((await status(one.id)).status).toBe("running");
    expect((await complete(one, { output: { double: 4 } })).status).toBe(204);
  });

  test("a canceled one has ended at once, and its completion is 409", async () => {
    const one = await handedOver(engine);
    const canceled = await api.ask(`/api/v1/executions/${one.id}/cancel`, {
      method: "POST",
      as: program,
    });
    expect(canceled.status).toBe(200);
    expect(await canceled.json()).toMatchObject({
      status: "canceled",
      cancel: { effect: "aborted" },
    });
    expect((await complete(one, { output: { double: 2 } })).status).toBe(409);
  });

  test("no other credential opens it, and all are refused alike, before anything is looked up", async () => {
    const [one, other] = [await handedOver(engine), await handedOver(engine)];
    const stranger = createCompletionTokens(createSecretBox([randomBytes(32).toString("base64")]));
    const texts = new Set<string>();
    const token = tokens.make(one.id, one.dispatch);
    for (const [as, id] of [
      [{}, one.id],
      [{ "X-API-Key": "plane-5f0c1d7b9a8e4f6032d1c4b7a9e8f605" }, one.id],
      [program, one.id],
      [{ ...program, Authorization: `Bearer ${token}` }, one.id],
      [{ Authorization: `Bearer ${tokens.make(other.id, other.dispatch)}` }, one.id],
      [{ Authorization: `Bearer ${stranger.make(one.id, one.dispatch)}` }, one.id],
      [{ Authorization: `Basic ${token}` }, one.id],
      [{ Authorization: `Bearer ${token}` }, "no-id"],
      [{ Authorization: `Bearer ${token}` }, "0199aaaa-0000-7000-8000-000000000000"],
    ] as const) {
      const path = `/api/v1/executions/${id}/complete`;
      const answer = await api.ask(path, {
        json: { output: {} },
        as,
      });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).not.toBeNull();
      const { request_id: _, ...text } = await problem(answer);
      texts.add(JSON.stringify(text));
    }
    expect(texts.size).toBe(1);
    // A later dispatch's token is no forgery, but nobody has it before it is given out.
    const early = { id: one.id, dispatch: one.dispatch + 1 };
    expect((await complete(early, { output: { double: 1 } })).status).toBe(409);
    expect((await status(one.id)).status).toBe("running");
  });

  test("an output may be as large as any, and no larger", async () => {
    const { id } = await registered({ output_schema: {} });
    const one = await handedOver(id);
    const limit = 8 * 1024 * 1024;
    const large = await complete(one, { output: "x".repeat(limit - 1) });
    expect(large.status).toBe(413);
    expect(await problem(large)).toMatchObject({ limit_bytes: limit });
    expect((await complete(one, { output: "x".repeat(limit + 20_000) })).status).toBe(413);
    expect((await complete(one, { output: "x".repeat(limit - 2) })).status).toBe(204);
  });
});
