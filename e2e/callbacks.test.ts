import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Client } from "@tl-engine/client";
import type { CallbackDelivery } from "@tl-engine/contract";
import { closeDatabase, openDatabase, type Database } from "@tl-engine/shared/db/database.ts";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { eventually } from "./support/eventually.ts";

interface Post {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let database: FreshDatabase;
let record: Database;
let deployment: Deployment;
let plane: Client;
let program: Client;
let receiver: Server;
let origin: string;
let posts: Post[] = [];
/** How the receiver answers; a promise holds it. */
let answer: (post: Post, response: ServerResponse) => void;
const takeIt = (_post: Post, response: ServerResponse): void => void response.end();
/** What was made in a test and must be in no log. */
const secrets: string[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const post = { path: request.url ?? "", headers: request.headers, body };
      posts.push(post);
      answer(post, response);
    });
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  origin = `http://${host}`;
  database = await freshDatabase();
  record = openDatabase({
    url: database.url,
    max: 2,
    applicationName: "tl-test",
    onError: () => undefined,
  });
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    env: { TL_OUTBOUND_ALLOW: `callback:${host},${host}` },
  });
  plane = deployment.client();
  const { key } = await plane.keys.create({ name: "receiver" });
  program = deployment.client(0, { apiKey: key });
});
beforeEach(() => {
  deployment.showLogsOnFailure(onTestFailed);
  posts = [];
  answer = takeIt;
});
afterAll(async () => {
  await deployment?.stop();
  if (record) await closeDatabase(record);
  receiver?.closeAllConnections();
  receiver?.close();
  await database?.drop({ force: true });
});

const verify = (secret: string, { body, headers }: Post) =>
  new Webhook(secret).verify(body, headers as Record<string, string>);

function became(id: string, status: CallbackDelivery["status"]): Promise<CallbackDelivery> {
  return eventually(
    `the callback of ${id} is ${status}`,
    async () => (await program.webhooks.callbacksOf(id)).find((one) => one.status === status),
    { withinMs: 30_000, everyMs: 200 },
  );
}

test("a callback says what the status says, and every execution that ends is told of once", async () => {
  const { secret } = await program.webhooks.callbackSecret();
  secrets.push(secret);
  const callback = { url: `${origin}/hook?token=t0ken-of-the-receiver` };
  const { execution_id: id } = await program.execute("echo", { a: 1 }, { callback });
  await became(id, "delivered");
  const [post] = posts;
  if (post === undefined) throw new Error("nothing came");
  expect(verify(secret, post)).toMatchObject({
    type: "execution.succeeded",
    data: await program.status(id),
  });
  const page = program.outboundCalls.list({ executionId: id });
  const calls = [];
  for await (const call of page) calls.push(call);
  expect(calls).toMatchObject([{ purpose: "callback", path: "/hook", status: 200, try: 1 }]);

  const canceled = await program.execute("echo", {}, { callback, delay: "1h" });
  await program.cancel(canceled.execution_id);
  await became(canceled.execution_id, "delivered");
  const failed = await program.execute("http.request", { url: "http://10.0.0.1/" }, { callback });
  await became(failed.execution_id, "delivered");
  expect(posts.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
    "execution.succeeded",
    "execution.canceled",
    "execution.failed",
  ]);
});

test("a worker that is killed between the POST and its record: it comes again, under its id", async () => {
  const arrived = Promise.withResolvers<void>();
  answer = () => arrived.resolve();
  const callback = { url: `${origin}/kill` };
  const { execution_id: id } = await program.execute("echo", {}, { callback });
  await arrived.promise;
  const [worker] = deployment.workers;
  await worker?.kill();
  answer = takeIt;
  const [pending] = await program.webhooks.callbacksOf(id);
  expect(pending).toMatchObject({ status: "pending", tries: 1, last_status: null });
  // Its lease is let go at once: nobody waits a minute here.
  await record.pool.query("UPDATE callback_deliveries SET next_at = now() WHERE id = $1", [
    pending?.id,
  ]);
  await deployment.startWorker();
  expect(await became(id, "delivered")).toMatchObject({ id: pending?.id, tries: 2 });
  expect(posts.map(({ headers }) => headers["webhook-id"])).toEqual([pending?.id, pending?.id]);
});

test("webhook.deliver sends to the caller's own endpoint, signed, and to nobody else's", async () => {
  const url = `${origin}/own/?from=tl`;
  const { id: endpoint, secret } = await program.webhooks.create({ url, events: [] });
  secrets.push(secret);
  const message = { type: "invoice.paid", data: { invoice: "A-17" } };
  const output = await program.run("webhook.deliver", { endpoint, ...message });
  const [post] = posts;
  if (post === undefined) throw new Error("nothing came");
  expect(post.path).toBe("/own/?from=tl");
  expect(verify(secret, post)).toMatchObject(message);
  expect(output).toMatchObject({ webhook_id: post.headers["webhook-id"], status: 200 });
  await expect(plane.run("webhook.deliver", { endpoint, ...message })).rejects.toMatchObject({
    execution: { error: { code: "outbound_refused" } },
  });
  expect(posts).toHaveLength(1);
  expect(await program.webhooks.test(endpoint)).toMatchObject({ status: "delivered" });
  expect(verify(secret, posts[1] ?? post)).toMatchObject({ type: "test.ping" });
});

test("webhook.deliver sends through a connection, and again under the same id", async () => {
  const secret = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
  secrets.push(secret);
  await plane.connections.create({
    id: "partner-hook",
    kind: "http",
    base_url: `${origin}/partner`,
    auth: { type: "hmac", scheme: "standard_webhooks", signing_secrets: [secret] },
  });
  let turns = 0;
  answer = (_post, response) => void response.writeHead(turns++ === 0 ? 500 : 204).end();
  const message = { type: "invoice.paid", data: [1] };
  const { execution_id: id } = await program.execute("webhook.deliver", {
    connection: "partner-hook",
    ...message,
  });
  await program.wait(id, { timeoutMs: 60_000 });
  expect(await program.status(id)).toMatchObject({ status: "succeeded", attempt: 2 });
  expect(posts.map(({ path }) => path)).toEqual(["/partner", "/partner"]);
  for (const post of posts) expect(verify(secret, post)).toMatchObject(message);
  expect(new Set(posts.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(posts[1]?.body).toBe(posts[0]?.body);
});

test("no secret, and no query of a callback, is in a log", () => {
  const logs = deployment.lastWords(Number.MAX_SAFE_INTEGER);
  expect(logs).toContain("taking work");
  expect(secrets).toHaveLength(3);
  for (const secret of [...secrets, "t0ken-of-the-receiver"]) expect(logs).not.toContain(secret);
});
