import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { CallbackDelivery } from "@tl-engine/contract";
import {
  changeEndpoint,
  rotateEndpointSecret,
} from "@tl-engine/shared/callbacks/change-endpoint.ts";
import {
  readCallbackSecret,
  rotateCallbackSecret,
} from "@tl-engine/shared/callbacks/callback-secret.ts";
import { createEndpoint } from "@tl-engine/shared/callbacks/create-endpoint.ts";
import {
  createDeliverer,
  type Deliverer,
  type DelivererOptions,
} from "@tl-engine/shared/callbacks/deliverer.ts";
import { readCallbacks, readDelivery } from "@tl-engine/shared/callbacks/deliveries.ts";
import { readEndpoint } from "@tl-engine/shared/callbacks/read-endpoints.ts";
import { resendDelivery } from "@tl-engine/shared/callbacks/resend.ts";
import { testEndpoint } from "@tl-engine/shared/callbacks/test-endpoint.ts";
import { describeExecution } from "@tl-engine/shared/executions/describe.ts";
import { readExecutions } from "@tl-engine/shared/executions/read.ts";
import type { ToldCall } from "@tl-engine/shared/outbound-log/told-call.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import {
  freshEngineId,
  newExecution,
  openStack,
  type Stack,
} from "@tl-engine/shared/testing/stack.ts";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { createMainDoor, type MainDoor } from "../ports/main-door.ts";
import { createCallbackSender } from "./send-callback.ts";

interface Post {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}
type Answer = (post: Post, response: ServerResponse) => void;

const box = createSecretBox([randomBytes(32).toString("base64")]);
const plane = { kind: "plane", id: "plane" } as const;
const soon = { timeout: 20_000 };

let database: FreshDatabase;
let stack: Stack;
let server: Server;
let canary: Server;
let canaryHits = 0;
let posts: Post[] = [];
let answer: Answer;
let base: string;
let calls: { call: ToldCall; callerId: string | null }[] = [];
let running: { deliverer: Deliverer; door: MainDoor }[] = [];

const ok: Answer = (_post, response) => void response.end("thanks");
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_post, response) =>
    void response.writeHead(code, headers).end();

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const post = { path: request.url ?? "", headers: request.headers, body };
      posts.push(post);
      answer(post, response);
    });
  });
  canary = createServer().on("connection", () => (canaryHits += 1));
  for (const one of [server, canary]) await once(one.listen(0, "127.0.0.1"), "listening");
  base = `http://127.0.0.1:${portOf(server)}`;
});
beforeEach(() => {
  posts = [];
  calls = [];
  answer = ok;
});
afterEach(async () => {
  for (const { deliverer, door } of running) {
    await deliverer.stop(0);
    await door.close();
  }
  running = [];
  await stack.db.pool.query("DELETE FROM callback_deliveries");
});
afterAll(async () => {
  for (const one of [server, canary]) {
    one?.closeAllConnections();
    one?.close();
  }
  await stack?.close();
  await database?.drop();
});

function portOf(one: Server): number {
  return (one.address() as AddressInfo).port;
}

function deliver(over: Partial<DelivererOptions> & { allow?: string } = {}): Deliverer {
  const { allow = "callback:127.0.0.1", ...options } = over;
  const door = createMainDoor(allow);
  const deliverer = createDeliverer({
    pool: stack.db.pool,
    signals: stack.signals,
    box,
    workerId: stack.registration.id,
    send: createCallbackSender({
      door,
      now: () => stack.registration.now(),
      record: (call, callerId) => void calls.push({ call, callerId }),
    }),
    onError: (error) => void stack.errors.push(error),
    pollMs: 50,
    ...options,
  });
  running.push({ deliverer, door });
  deliverer.start();
  return deliverer;
}

let callers = 0;
const freshCaller = (): string => `key:receiver${++callers}`;

/** An execution that has ended, and that somebody is to be told of. */
async function finished(over: Parameters<typeof newExecution>[0] = {}, outputText = '{"a":[1]}') {
  const execution = newExecution({ engineId: freshEngineId(), callerId: freshCaller(), ...over });
  await stack.submitter.submit(execution);
  const engine = { engineId: execution.engineId, version: 1, concurrency: null };
  const [run] = await stack.starter.start(
    engine,
    [[execution.id, 0]],
    new AbortController().signal,
  );
  if (run === undefined) throw new Error("not started");
  const { id, dispatch, attempt } = run;
  await stack.settler.settle({ id, dispatch, attempt, outcome: "succeeded", outputText });
  return execution;
}
const callbackTo = (url: string) => ({ callbackText: JSON.stringify({ url }) });

async function deliveryOf(executionId: string): Promise<CallbackDelivery> {
  const [delivery] = await readCallbacks(stack.db.pool, executionId);
  if (delivery === undefined) throw new Error("no delivery");
  return delivery;
}
/** Waits for what became of it. */
async function became(executionId: string, expected: Partial<CallbackDelivery>) {
  await expect.poll(() => deliveryOf(executionId), soon).toMatchObject(expected);
  return deliveryOf(executionId);
}
const dueNow = (executionId: string) =>
  stack.db.pool.query("UPDATE callback_deliveries SET next_at = now() WHERE execution_id = $1", [
    executionId,
  ]);
const secretOf = async (callerId: string) =>
  (await readCallbackSecret(stack.db.pool, box, callerId)).secret;
const headersOf = ({ headers }: Post) => headers as Record<string, string>;

describe("a callback to a URL", () => {
  it("is signed by the caller's secret and says what the status says", async () => {
    const execution = await finished(callbackTo(`${base}/hook?token=very-secret`));
    deliver();
    const delivery = await became(execution.id, {
      status: "delivered",
      tries: 1,
      last_status: 200,
    });
    const [post, ...more] = posts;
    if (post === undefined) throw new Error("no post");
    expect(more).toEqual([]);
    expect(post.path).toBe("/hook?token=very-secret");
    expect(post.headers).toMatchObject({
      "content-type": "application/json",
      "webhook-id": delivery.id,
      "idempotency-key": delivery.id,
    });
    const verified = new Webhook(await secretOf(execution.callerId)).verify(
      post.body,
      headersOf(post),
    );
    const everything = { output: true, input: false, attempts: false, calls: false };
    const [row] = await readExecutions(stack.db.pool, plane, [execution.id], everything);
    if (row === undefined) throw new Error("no execution");
    const shown = JSON.parse(describeExecution(row, { output: true })) as Record<string, unknown>;
    expect(verified).toEqual({
      type: "execution.succeeded",
      timestamp: shown["finished_at"],
      data: shown,
    });
    expect(calls).toMatchObject([
      {
        callerId: null,
        call: {
          execution_id: execution.id,
          purpose: "callback",
          step: "callback",
          method: "POST",
          host: `127.0.0.1:${portOf(server)}`,
          path: "/hook",
          status: 200,
          try: 1,
          idempotency_key: delivery.id,
        },
      },
    ]);
    expect(JSON.stringify(calls)).not.toContain("very-secret");
  });

  it("is signed by two secrets while they are rotated, and by the new one alone afterwards", async () => {
    const callerId = freshCaller();
    const old = await secretOf(callerId);
    const { secret } = await rotateCallbackSecret(stack.db.pool, box, callerId, 3_600_000);
    deliver();
    const during = await finished({ callerId, ...callbackTo(base) });
    await became(during.id, { status: "delivered" });
    const [first] = posts;
    if (first === undefined) throw new Error("no post");
    for (const one of [old, secret]) {
      expect(() => new Webhook(one).verify(first.body, headersOf(first))).not.toThrow();
    }
    await stack.db.pool.query(
      "UPDATE callback_secrets SET previous_ends_at = now() WHERE previous_secret IS NOT NULL",
    );
    const after = await finished({ callerId, ...callbackTo(base) });
    await became(after.id, { status: "delivered" });
    const second = posts[1];
    if (second === undefined) throw new Error("no post");
    expect(() => new Webhook(secret).verify(second.body, headersOf(second))).not.toThrow();
    expect(() => new Webhook(old).verify(second.body, headersOf(second))).toThrow(
      "No matching signature",
    );
  });

  it("that fails comes again by the schedule, with the same id, body and key", async () => {
    answer = status(500);
    const { id } = await finished(callbackTo(base));
    deliver();
    const failed = await became(id, { status: "pending", tries: 1, last_status: 500 });
    expect(Date.parse(failed.next_try_at ?? "")).toBeGreaterThanOrEqual(
      Date.parse(failed.last_tried_at ?? "") + 5_000,
    );
    answer = ok;
    await dueNow(id);
    await became(id, { status: "delivered", tries: 2, last_error: null });
    const [first, second] = posts;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    expect(calls.map(({ call }) => call.try)).toEqual([1, 2]);
  });

  it("waits for as long as the receiver asks", async () => {
    answer = status(503, { "retry-after": "600" });
    const { id } = await finished(callbackTo(base));
    deliver();
    const { next_try_at: next, last_tried_at: last } = await became(id, {
      tries: 1,
      last_status: 503,
    });
    expect(Date.parse(next ?? "")).toBeGreaterThanOrEqual(Date.parse(last ?? "") + 600_000);
  });

  it("fails for good after its eighth try, and is sent again when that is asked for", async () => {
    answer = status(500);
    const { id, callerId } = await finished(callbackTo(base));
    await stack.db.pool.query("UPDATE callback_deliveries SET tries = 7");
    deliver();
    const { id: delivery } = await became(id, { status: "failed", tries: 8, next_try_at: null });
    answer = ok;
    const owner = { kind: "program", id: callerId } as const;
    const stranger = { kind: "program", id: "key:stranger" } as const;
    expect(await resendDelivery(stack.db.pool, stranger, delivery)).toBe("not_found");
    expect(await resendDelivery(stack.db.pool, owner, delivery)).toBe("due");
    await became(id, { status: "delivered", id: delivery });
    expect(new Set(posts.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([delivery]));
  });

  it("ends at a 410", async () => {
    answer = status(410);
    const { id } = await finished(callbackTo(base));
    deliver();
    await became(id, { status: "gone", last_status: 410 });
  });

  it.each([301, 302, 303, 307, 308])("follows no %i, and shows it", async (code) => {
    answer = status(code, { location: `http://127.0.0.1:${portOf(canary)}/` });
    const { id } = await finished(callbackTo(base));
    deliver({ allow: "callback:127.0.0.1, 127.0.0.1" });
    await became(id, {
      status: "pending",
      last_status: code,
      last_error: `it answered ${code}: redirects are not followed`,
    });
    expect(canaryHits).toBe(0);
  });

  it("goes to no private address without a rule for callbacks, whatever engines may call", async () => {
    const address = `127.0.0.1:${portOf(canary)}`;
    const urls = [`http://${address}/`, `http://localhost:${portOf(canary)}/`];
    deliver({ allow: `127.0.0.1, localhost, callback:127.0.0.1:${portOf(server)}` });
    for (const url of urls) {
      const { id } = await finished(callbackTo(url));
      const delivery = await became(id, { status: "failed", tries: 1, last_status: null });
      expect(delivery.last_error).toMatch(/^outbound_refused: /);
    }
    expect(canaryHits).toBe(0);
    expect(calls.map(({ call }) => call.error_code)).toEqual(urls.map(() => "outbound_refused"));
  });

  it("that nobody answers, or that breaks, is a failure", async () => {
    answer = (_post, response) => response.destroy();
    const { id } = await finished(callbackTo(base));
    deliver();
    const { last_error: error } = await became(id, {
      status: "pending",
      tries: 1,
      last_status: null,
    });
    expect(error).toMatch(/^connection_failed: /);
  });

  it("counts by its status where the answer's body is too large", async () => {
    answer = (_post, response) => void response.end("x".repeat(200_000));
    const { id } = await finished(callbackTo(base));
    deliver();
    await became(id, { status: "delivered", last_status: 200 });
  });

  it("leaves an output out that is too large for it", async () => {
    const output = JSON.stringify("x".repeat(300_000));
    const { id } = await finished(callbackTo(base), output);
    deliver();
    await became(id, { status: "delivered" });
    const { data } = JSON.parse(posts[0]?.body ?? "") as { data: Record<string, unknown> };
    expect(data).not.toHaveProperty("output");
    expect(data).toMatchObject({
      execution_id: id,
      done: true,
      output_omitted: { bytes: output.length, limit_bytes: 262_144 },
    });
  });

  it("is sent again under its id where its sender died before he could write it down", async () => {
    const { id } = await finished(callbackTo(base));
    const arrived = Promise.withResolvers<void>();
    answer = (post) => (post.path === "/" ? arrived.resolve() : undefined);
    const dying = deliver();
    await arrived.promise;
    // What a kill leaves behind: a claim that nobody gives back.
    const { rows: before } = await stack.db.pool.query<{ claims: number; status: string }>(
      "SELECT claims, status FROM callback_deliveries",
    );
    expect(before).toEqual([{ claims: 1, status: "pending" }]);
    answer = ok;
    await dueNow(id);
    deliver();
    const delivery = await became(id, { status: "delivered", tries: 2 });
    expect(posts.map(({ headers }) => headers["webhook-id"])).toEqual([delivery.id, delivery.id]);
    // The late one's result is dropped: its claim is over.
    await dying.stop(0);
    expect(await deliveryOf(id)).toEqual(delivery);
  });
});

describe("an endpoint", () => {
  const register = async (over = {}) => {
    const callerId = freshCaller();
    const made = await createEndpoint(stack.db.pool, box, callerId, {
      url: `${base}/endpoint`,
      ...over,
    });
    return { callerId, id: made.endpoint.id, secret: made.secret };
  };

  it("is told by its own secret, and by both while they are rotated", async () => {
    const { callerId, id, secret } = await register();
    deliver();
    await became((await finished({ callerId })).id, { status: "delivered", endpoint: id });
    const [first] = posts;
    if (first === undefined) throw new Error("no post");
    expect(() => new Webhook(secret).verify(first.body, headersOf(first))).not.toThrow();

    const { secret: newer } = await rotateEndpointSecret(stack.db.pool, box, callerId, id, 60_000);
    await became((await finished({ callerId })).id, { status: "delivered" });
    const second = posts[1];
    if (second === undefined) throw new Error("no post");
    for (const one of [secret, newer]) {
      expect(() => new Webhook(one).verify(second.body, headersOf(second))).not.toThrow();
    }
    await rotateEndpointSecret(stack.db.pool, box, callerId, id, 0);
    await became((await finished({ callerId })).id, { status: "delivered" });
    expect(posts[2]?.headers["webhook-signature"]).not.toContain(" ");
  });

  it("is switched off by a 410, and what it is owed ends", async () => {
    const { callerId, id } = await register();
    const executions: Awaited<ReturnType<typeof finished>>[] = [];
    for (let n = 0; n < 6; n += 1) executions.push(await finished({ callerId }));
    answer = status(410);
    deliver({ perTarget: 1 });
    await expect
      .poll(async () => {
        const all = await Promise.all(executions.map((one) => deliveryOf(one.id)));
        return all.map((one) => one.status).sort((a, b) => a.localeCompare(b));
      }, soon)
      .toEqual(["disabled", "disabled", "disabled", "disabled", "disabled", "gone"]);
    expect(posts).toHaveLength(1);
    expect(await readEndpoint(stack.db.pool, plane, id)).toMatchObject({
      is_active: false,
      disabled_reason: "gone",
    });
    const [first] = executions;
    const { id: delivery } = await deliveryOf(first?.id ?? "");
    expect(await resendDelivery(stack.db.pool, plane, delivery)).toBe("disabled");
  });

  it("is switched off when nothing has succeeded for five days, and shows since when", async () => {
    const { callerId, id } = await register();
    answer = status(500);
    deliver();
    const first = await finished({ callerId });
    await became(first.id, { tries: 1 });
    const failing = await readEndpoint(stack.db.pool, plane, id);
    expect(failing).toMatchObject({ is_active: true, last_error: "it answered 500" });
    expect(failing.failing_since).not.toBeNull();

    answer = ok;
    await became((await finished({ callerId })).id, { status: "delivered" });
    expect(await readEndpoint(stack.db.pool, plane, id)).toMatchObject({
      failing_since: null,
      last_error: null,
    });

    answer = status(500);
    await stack.db.pool.query(
      "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days' WHERE id = $1",
      [id],
    );
    await became((await finished({ callerId })).id, { status: "disabled" });
    await became(first.id, { status: "disabled", last_status: 500 });
    expect(await readEndpoint(stack.db.pool, plane, id)).toMatchObject({
      is_active: false,
      disabled_reason: "failing",
      last_error: "it answered 500",
    });
    expect(await changeEndpoint(stack.db.pool, callerId, id, { is_active: true })).toMatchObject({
      is_active: true,
      failing_since: null,
      disabled_reason: null,
    });
  });

  it("gets a test, once, and where it is switched off none", async () => {
    const { callerId, id, secret } = await register();
    const test = await testEndpoint(stack.db.pool, callerId, id);
    deliver();
    await expect
      .poll(() => readDelivery(stack.db.pool, test ?? ""), soon)
      .toMatchObject({ status: "delivered", event: "test.ping", execution_id: null });
    const [post] = posts;
    if (post === undefined) throw new Error("no post");
    expect(new Webhook(secret).verify(post.body, headersOf(post))).toMatchObject({
      type: "test.ping",
      data: { endpoint: id },
    });
    expect(calls[0]).toMatchObject({ callerId, call: { purpose: "callback" } });
    answer = status(500);
    const again = await testEndpoint(stack.db.pool, callerId, id);
    await expect
      .poll(() => readDelivery(stack.db.pool, again ?? ""), soon)
      .toMatchObject({ status: "failed", last_status: 500 });
    for (let n = 0; n < 30; n += 1) await testEndpoint(stack.db.pool, callerId, id);
    const { rowCount } = await stack.db.pool.query("SELECT FROM callback_deliveries");
    expect(rowCount).toBe(20);
    await changeEndpoint(stack.db.pool, callerId, id, { is_active: false });
    expect(await testEndpoint(stack.db.pool, callerId, id)).toBeNull();
  });
});

it("one address that nobody answers at holds up no other, however much is owed to it", async () => {
  const dead = freshCaller();
  await stack.db.pool.query(
    `INSERT INTO callback_deliveries (execution_id, caller_id, url, target, event, status, next_at)
     SELECT gen_random_uuid(), $1, $2, $3, 'execution.failed', 'pending', now() - interval '1 hour'
     FROM generate_series(1, 10000)`,
    [dead, `${base}/dead`, base],
  );
  const { id: execution } = await finished({ callerId: dead, callbackText: "{}" });
  // They are all of one execution, so that there is a body for each.
  await stack.db.pool.query("DROP INDEX callback_deliveries_once");
  await stack.db.pool.query("UPDATE callback_deliveries SET execution_id = $1", [execution]);
  answer = (post, response) => {
    if (post.path !== "/dead") response.end();
  };
  deliver({ concurrency: 8, perTarget: 4 });
  await expect.poll(() => posts.length, soon).toBe(4);
  const others = [];
  for (let n = 0; n < 20; n += 1) others.push(await finished(callbackTo(`${base}/alive`)));
  for (const { id } of others) await became(id, { status: "delivered" });
  expect(posts.filter(({ path }) => path === "/dead")).toHaveLength(4);
  await stack.db.pool.query("DELETE FROM callback_deliveries");
  await stack.db.pool.query(
    `CREATE UNIQUE INDEX callback_deliveries_once ON callback_deliveries (execution_id, coalesce(endpoint_id, ''))
     WHERE execution_id IS NOT NULL`,
  );
});

it("several deliverers send each of many once, in turns over callers", async () => {
  const executions = [];
  for (let n = 0; n < 60; n += 1) executions.push(await finished(callbackTo(`${base}/${n % 7}`)));
  deliver({ concurrency: 5 });
  deliver({ concurrency: 5 });
  for (const { id } of executions) await became(id, { status: "delivered", tries: 1 });
  expect(new Set(posts.map(({ headers }) => headers["webhook-id"])).size).toBe(60);
  expect(posts).toHaveLength(60);
});

it("keeps no secret in the database that anybody could read there", async () => {
  const callerId = freshCaller();
  const own = await secretOf(callerId);
  const { secret: rotated } = await rotateCallbackSecret(stack.db.pool, box, callerId, 60_000);
  const made = await createEndpoint(stack.db.pool, box, callerId, { url: `${base}/x` });
  const newer = await rotateEndpointSecret(stack.db.pool, box, callerId, made.endpoint.id, 60_000);
  deliver();
  const { id } = await finished({ callerId, ...callbackTo(base) });
  await became(id, { status: "delivered" });
  const { rows: tables } = await stack.db.pool.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  let dump = JSON.stringify(calls) + posts.map(({ body }) => body).join("");
  for (const { name } of tables) {
    const { rows } = await stack.db.pool.query<{ row: string }>(
      `SELECT t::text AS row FROM ${name} t`,
    );
    dump += rows.map(({ row }) => row).join("\n");
  }
  expect(dump).toContain(made.endpoint.id);
  for (const secret of [own, rotated, made.secret, newer.secret]) {
    expect(dump).not.toContain(secret);
    expect(dump).not.toContain(secret.slice("whsec_".length));
  }
});
