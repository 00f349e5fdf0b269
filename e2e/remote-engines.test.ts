import { randomBytes } from "node:crypto";
import type { Execution } from "@tl-engine/client";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { hookArgs } from "./faults/entry-points/hook-from-args.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { eventually } from "./support/eventually.ts";
import { request, type Answer } from "./support/request.ts";
import { startService, type Service, type ServiceAnswer } from "./support/service.ts";

// Services in whatever language offer engines: through API, record, queue, worker, host and door, to a server on loopback.
const secret = `whsec_${randomBytes(32).toString("base64")}`;
let database: FreshDatabase;
let service: Service;
let deployment: Deployment;
/** How the service answers an execution; it is asked by the input. */
const answers = new Map<
  string,
  (attempt: number, body: Body) => ServiceAnswer | Promise<ServiceAnswer>
>();

interface Body {
  execution_id: string;
  attempt: number;
  dispatch: number;
  complete: { path: string; token: string; url?: string };
  input: { how: string };
}

beforeAll(async () => {
  [database, service] = await Promise.all([
    freshDatabase(),
    startService((body: Body) => answers.get(body.input.how)!(body.attempt, body)),
  ]);
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    env: {
      TL_OUTBOUND_ALLOW: service.address,
      TL_GRACE_SECONDS: "1",
      TL_PUBLIC_URL: "https://engine.example.com/",
      TL_MAX_OUTPUT_BYTES: "20000",
      TL_LEASE_SECONDS: "2",
    },
  });
  await made("/connections", {
    id: "service",
    kind: "http",
    base_url: service.url,
    auth: { type: "hmac", scheme: "standard_webhooks", signing_secrets: [secret] },
  });
});
afterAll(async () => {
  await deployment?.stop();
  await service?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const ask = (path: string, json?: unknown, method?: string): Promise<Answer> =>
  request(`${deployment.apis[0]!.url}/api/v1${path}`, {
    headers: { "x-api-key": deployment.planeKey },
    ...(json === undefined ? {} : { json }),
    ...(method === undefined ? {} : { method }),
  });
async function made(path: string, json: unknown): Promise<void> {
  const answer = await ask(path, json);
  expect([answer.status, answer.text]).toEqual([201, expect.anything()]);
}

let last = 0;
/** A fresh engine that the running worker serves. */
async function register(over: Record<string, unknown> = {}): Promise<string> {
  const id = `far.${(last += 1)}`;
  await made("/engines", {
    id,
    version: 1,
    input_schema: { type: "object", required: ["how"] },
    output_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
    connection: "service",
    path: "/run?x=1",
    policy: { max_attempts: 2, backoff: { initial: "1ms", max: "1ms" } },
    ...over,
  });
  return id;
}

/** Submits with an answer of the service's for it. */
async function submit(
  engine: string,
  how: (attempt: number, body: Body) => ServiceAnswer | Promise<ServiceAnswer>,
  options?: Record<string, unknown>,
): Promise<string> {
  const name = `how-${(last += 1)}`;
  answers.set(name, how);
  const submitted = await ask(`/engines/${engine}/execute`, {
    input: { how: name, exact: 1.1 },
    ...(options && { options }),
  });
  expect([submitted.status, submitted.text]).toEqual([202, expect.anything()]);
  return submitted.json.execution_id;
}
const ends = (id: string): Promise<Execution> =>
  deployment.client().wait(id, { include: ["attempts", "calls"] });
const status = async (id: string): Promise<Execution> =>
  (await ask(`/executions/${id}?include=attempts`)).json;
const workerOf = (execution: Execution) => execution.attempts?.at(-1)?.worker_id;
const isHandedOver = (id: string) =>
  eventually("it is handed over", async () => {
    const now = await status(id);
    return now.status === "running" && workerOf(now) === "remote" ? now : null;
  });
const complete = ({ complete: { path, token } }: Body, json: unknown): Promise<Answer> =>
  request(`${deployment.apis[0]!.url}${path}`, {
    json,
    headers: { authorization: `Bearer ${token}` },
  });
const accepted = (): ServiceAnswer => ({ status: 202 });
const figures = async (engine: string) =>
  (await ask(`/engines/metrics?engine=${engine}`)).json.engines[0];

let engine: string;
beforeAll(async () => {
  engine = await register();
});

describe("a service that answers at once", () => {
  test("its 200 is the output; it was sent the input, signed, with who asks and how to complete it", async () => {
    const id = await submit(engine, () => ({ status: 200, json: { n: 7 } }));
    const done = await ends(id);
    expect(done).toMatchObject({ status: "succeeded", output: { n: 7 }, attempt: 1 });
    const { headers, text, body } = await service.asked(id);
    expect(headers).toMatchObject({
      "idempotency-key": id,
      "tl-execution-id": id,
      "tl-attempt": "1",
      "content-type": "application/json",
    });
    const signed = new Webhook(secret).verify(text, headers as Record<string, string>);
    expect(signed).toMatchObject({
      execution_id: id,
      engine,
      version: 1,
      attempt: 1,
      max_attempts: 2,
      input: { exact: 1.1 },
      complete: {
        url: `https://engine.example.com/api/v1/executions/${id}/complete`,
        path: `/api/v1/executions/${id}/complete`,
        token: expect.stringMatching(/^tlc_/),
      },
    });
    expect(Date.parse(body.deadline)).toBeGreaterThan(Date.parse(done.started_at!));
    expect(done.calls).toMatchObject([
      { connection: "service", method: "POST", path: "/run", status: 200 },
    ]);
    // The token is the service's alone.
    expect(JSON.stringify(done)).not.toContain(body.complete.token);
    expect(deployment.lastWords()).not.toContain(body.complete.token);
  });

  test.each([
    ["an output that does not fit", { json: { n: "7" } }, "output_invalid", "/n"],
    ["no JSON", { text: "hello" }, "output_invalid", "not JSON"],
    [
      "an output that is too large",
      { json: { n: 1, more: "x".repeat(20_000) } },
      "output_too_large",
      "20000",
    ],
    ["a body without end", { text: `"${"x".repeat(100_000)}"` }, "output_too_large", "20000"],
  ])("%s ends it", async (_what, answer, code, detail) => {
    const id = await submit(engine, () => ({ status: 200, ...answer }));
    const done = await ends(id);
    expect(done).toMatchObject({ status: "failed", attempt: 1, error: { code } });
    expect(done.error?.detail).toContain(detail);
  });

  test.each([
    [
      "404 with a problem",
      {
        status: 404,
        json: { detail: "no such image" },
        headers: { "content-type": "application/problem+json" },
      },
      "404: no such image",
    ],
    [
      "a 500 that will not pass",
      { status: 500, json: { detail: "broken for good", retryable: false } },
      "500: broken for good",
    ],
    ["a redirect", { status: 302, headers: { location: "http://example.com/" } }, "302"],
    ["a 204", { status: 204 }, "204"],
  ])("%s is not tried again", async (_what, answer, detail) => {
    const id = await submit(engine, () => answer);
    const done = await ends(id);
    expect(done).toMatchObject({ status: "failed", attempt: 1, error: { retryable: false } });
    expect(done.error?.detail).toContain(detail);
    expect(service.asksOf(id)).toHaveLength(1);
  });

  test.each([408, 425, 429, 500, 503])("a %d is tried again, under the same key", async (code) => {
    const id = await submit(engine, (attempt) =>
      attempt === 1 ? { status: code, json: { detail: "busy" } } : { status: 200, json: { n: 2 } },
    );
    const done = await ends(id);
    expect(done).toMatchObject({ status: "succeeded", attempt: 2, output: { n: 2 } });
    expect(done.attempts?.[0]?.error).toMatchObject({
      code: "upstream_error",
      detail: `The service answered ${code}: busy`,
    });
    const keys = service.asksOf(id).map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual([id, id]);
    const tokens = service.asksOf(id).map(({ body }) => body.complete.token);
    expect(new Set(tokens).size).toBe(2);
  });

  test("a long Retry-After parks it, with no attempt counted", async () => {
    const id = await submit(engine, () => ({ status: 429, headers: { "retry-after": "3600" } }));
    await service.asked(id);
    const waits = await eventually("it is parked", async () => {
      const now = await status(id);
      return now.status === "queued" && now.wait?.blocked_by !== null ? now : null;
    });
    expect(waits).toMatchObject({
      attempt: 0,
      wait: { reason: "retry_after", blocked_by: "connection:service" },
    });
    expect((await ask(`/executions/${id}/cancel`, undefined, "POST")).status).toBe(200);
  });

  test("Retry-After says when", async () => {
    const id = await submit(engine, (attempt) =>
      attempt === 1
        ? { status: 503, headers: { "retry-after": "1" } }
        : { status: 200, json: { n: 3 } },
    );
    await service.asked(id);
    const waits = await eventually("it waits", async () => (await status(id)).wait);
    expect(waits.reason).toBe("retry_after");
    expect(await ends(id)).toMatchObject({ status: "succeeded", attempt: 2 });
  });
});

describe("a service that answers later", () => {
  test("its 202 takes the execution on: it runs with no slot held, tells how far it is, and is completed", async () => {
    const id = await submit(engine, accepted);
    const { body } = await service.asked(id);
    await isHandedOver(id);
    expect(await figures(engine)).toMatchObject({ running: 1, queued: 0 });
    expect((await complete(body, { progress: { fraction: 0.25 } })).status).toBe(204);
    expect((await status(id)).progress?.fraction).toBe(0.25);
    const wrong = await complete(body, { output: { n: "1" } });
    expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([422, "/output/n"]);
    expect((await complete(body, { output: { n: 9 } })).status).toBe(204);
    expect(await ends(id)).toMatchObject({ status: "succeeded", output: { n: 9 }, attempt: 1 });
    const second = await complete(body, { output: { n: 9 } });
    expect([second.status, second.json.code]).toEqual([409, "execution_finished"]);
  });

  test("more of them than there are slots are with it at once", async () => {
    const ids = await Promise.all(Array.from({ length: 25 }, () => submit(engine, accepted)));
    const bodies = await Promise.all(ids.map(async (id) => (await service.asked(id)).body as Body));
    await Promise.all(ids.map(isHandedOver));
    const metrics = await eventually("the leader tells how many", async () => {
      const texts = await Promise.all(
        [...deployment.apis, ...deployment.workers].map(
          async ({ metricsUrl }) => (await request(`${metricsUrl}/metrics`)).text,
        ),
      );
      return texts.find((text) =>
        new RegExp(`tl_handed_over{[^}]*"${engine}"[^}]*} 25`).test(text),
      );
    });
    expect(metrics).toMatch(new RegExp(`tl_handed_over_oldest_seconds{[^}]*"${engine}"`));
    await Promise.all(bodies.map((body, n) => complete(body, { output: { n } })));
    const done = await Promise.all(ids.map(ends));
    expect(done.map(({ output }) => output)).toEqual(ids.map((_, n) => ({ n })));
  });

  test("below a ceiling the next one comes when one is completed", async () => {
    const narrow = await register({ policy: { concurrency: 1 } });
    const first = await submit(narrow, accepted);
    const { body } = await service.asked(first);
    await isHandedOver(first);
    const second = await submit(narrow, () => ({ status: 200, json: { n: 2 } }));
    await eventually("it waits for the place", async () =>
      (await status(second)).wait?.reason === "engine_concurrency" ? true : null,
    );
    expect((await complete(body, { output: { n: 1 } })).status).toBe(204);
    expect(await ends(second)).toMatchObject({ output: { n: 2 } });
  });

  test("an error that may pass is tried again, and what is said of the earlier try is 409", async () => {
    const id = await submit(engine, accepted);
    const first = (await service.asked(id)).body as Body;
    await isHandedOver(id);
    expect((await complete(first, { error: { detail: "no card" } })).status).toBe(204);
    const second = (await service.asked(id, 2)).body as Body;
    expect(second).toMatchObject({ attempt: 2 });
    expect((await complete(first, { output: { n: 1 } })).status).toBe(409);
    expect((await complete(second, { error: { detail: "gone", retryable: false } })).status).toBe(
      204,
    );
    expect(await ends(id)).toMatchObject({
      status: "failed",
      error: { code: "engine_error", detail: "gone", attempt: 2 },
      attempts: [
        { worker_id: "remote", outcome: "failed", error: { detail: "no card" } },
        { worker_id: "remote", outcome: "failed" },
      ],
    });
  });

  test("one that is quicker than the record of its 202 has completed it all the same", async () => {
    let told: Answer | undefined;
    const id = await submit(engine, async (_attempt, body) => {
      told = await complete(body, { output: { n: 5 } });
      return accepted();
    });
    await service.asked(id);
    expect(told?.status).toBe(204);
    expect(await ends(id)).toMatchObject({ status: "succeeded", output: { n: 5 }, attempt: 1 });
  });

  test("what it does not complete within the timeout, by Postgres' clock, is tried again and ends as timeout", async () => {
    const id = await submit(engine, accepted, { timeout: "700ms" });
    const first = (await service.asked(id)).body as Body;
    const second = (await service.asked(id, 2)).body as Body;
    const done = await ends(id);
    expect(done).toMatchObject({
      status: "failed",
      attempt: 2,
      error: { code: "timeout", retryable: true },
      attempts: [{ worker_id: "remote", error: { code: "timeout" } }, { worker_id: "remote" }],
    });
    for (const body of [first, second]) {
      expect((await complete(body, { output: { n: 1 } })).status).toBe(409);
    }
    expect((await status(id)).status).toBe("failed");
    // That it came too late is told beside the attempt that ended it.
    const late = await eventually(
      "it is noted",
      async () => (await status(id)).attempts?.at(-1)?.late_result ?? null,
    );
    expect(late.outcome).toBe("succeeded");
  });

  test("a cancel ends it at once, and its completion is 409", async () => {
    const id = await submit(engine, accepted);
    const { body } = await service.asked(id);
    await isHandedOver(id);
    const canceled = await ask(`/executions/${id}/cancel`, undefined, "POST");
    expect(canceled.status).toBe(200);
    expect(canceled.json).toMatchObject({ status: "canceled", cancel: { effect: "aborted" } });
    expect((await complete(body, { output: { n: 1 } })).status).toBe(409);
  });

  test("a token opens its own execution and dispatch, and nothing else opens it", async () => {
    const ids = [await submit(engine, accepted), await submit(engine, accepted)];
    const [mine, other] = await Promise.all(
      ids.map(async (id) => (await service.asked(id)).body as Body),
    );
    await Promise.all(ids.map(isHandedOver));
    const path = mine!.complete.path;
    const later = mine!.complete.token.replace(/^tlc_\d+/, `tlc_${mine!.dispatch + 1}`);
    const texts = new Set<string>();
    for (const headers of [
      {},
      { "x-api-key": deployment.planeKey },
      { authorization: `Bearer ${other!.complete.token}` },
      { authorization: `Bearer ${later}` },
      { authorization: `Bearer ${await deployment.token("somebody")}` },
    ] as Record<string, string>[]) {
      const answer = await request(`${deployment.apis[0]!.url}${path}`, {
        json: { output: { n: 1 } },
        headers,
      });
      expect(answer.status).toBe(401);
      texts.add(answer.json.detail);
    }
    expect(texts.size).toBe(1);
    for (const body of [mine!, other!]) {
      expect((await complete(body, { output: { n: 1 } })).status).toBe(204);
    }
  });
});

describe("engines that come and go", () => {
  const state = async (id: string) => (await ask(`/engines/${id}/status`)).json;

  test("a running worker serves what is registered, serves a change, and no longer what is removed", async () => {
    const id = await register({ policy: { concurrency: 3 } });
    await eventually("it is served", async () => ((await state(id)).workers === 1 ? true : null));
    expect(await figures(id)).toMatchObject({ workers: 1, slots: 3 });
    const listed = await ask("/engines");
    expect(listed.json.engines).toContainEqual(expect.objectContaining({ id, state: "active" }));
    await ask(`/engines/${id}`, { policy: { concurrency: 5 }, path: "/other" }, "PATCH");
    await eventually("its places are five", async () =>
      (await figures(id)).slots === 5 ? true : null,
    );
    const execution = await submit(id, () => ({ status: 200, json: { n: 1 } }));
    expect((await ends(execution)).calls).toMatchObject([{ path: "/other" }]);
    expect((await ask(`/engines/${id}`, undefined, "DELETE")).status).toBe(204);
    expect((await ask(`/engines/${id}/execute`, { input: { how: "x" } })).status).toBe(404);
    await deployment.workers[0]!.says(
      "that it does not serve it",
      ({ msg, engine: name }) =>
        msg === "a remote engine is no longer served" && name === `${id}@1`,
    );
    const { engines } = (await ask("/engines/status")).json;
    expect(engines.map((one: { id: string }) => one.id)).not.toContain(id);
  });

  test("one with queued executions is not removed; switched off it takes nothing new, and they are done", async () => {
    const id = await register({ connection: "service" });
    const later = await submit(id, () => ({ status: 200, json: { n: 1 } }), { delay: "1s" });
    const refused = await ask(`/engines/${id}`, undefined, "DELETE");
    expect([refused.status, refused.json.code]).toEqual([409, "engine_in_use"]);
    await ask(`/engines/${id}`, { is_active: false }, "PATCH");
    const late = await ask(`/engines/${id}/execute`, { input: { how: "x" } });
    expect([late.status, late.json.code]).toEqual([409, "engine_inactive"]);
    expect(await ends(later)).toMatchObject({ status: "succeeded" });
    expect((await ask(`/engines/${id}`, undefined, "DELETE")).status).toBe(204);
  });

  test("an engine of the workers' keeps its id", async () => {
    const answer = await ask("/engines", {
      id: "echo",
      version: 9,
      input_schema: {},
      output_schema: {},
      connection: "service",
    });
    expect([answer.status, answer.json.code]).toEqual([409, "engine_exists"]);
  });
});

test("a worker that dies between the service's 202 and its record loses nothing: it is asked again, under the same key", async () => {
  const id = await submit(engine, accepted, { delay: "1s" });
  await deployment.workers[0]!.kill();
  const dying = await deployment.startWorker({
    entryPoint: "e2e/faults/entry-points/worker.ts",
    args: hookArgs({ hook: "beforeHandOver" }),
  });
  const first = (await service.asked(id)).body as Body;
  await dying.end;
  await deployment.startWorker();
  const second = (await service.asked(id, 2)).body as Body;
  expect(second.attempt).toBe(1);
  expect(second.dispatch).toBeGreaterThan(first.dispatch);
  const keys = service.asksOf(id).map(({ headers }) => headers["idempotency-key"]);
  expect(keys).toEqual([id, id]);
  await isHandedOver(id);
  expect((await complete(first, { output: { n: 1 } })).status).toBe(409);
  expect((await complete(second, { output: { n: 2 } })).status).toBe(204);
  expect(await ends(id)).toMatchObject({
    status: "succeeded",
    output: { n: 2 },
    attempts: [{ outcome: "worker_lost" }, { outcome: "succeeded", worker_id: "remote" }],
  });
});
