import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client } from "@tl-engine/client";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { selfSigned } from "../test/self-signed.ts";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";

// notify.send through a whole deployment, to a chat server and a mail server of the test.

let database: FreshDatabase;
let deployment: Deployment;
let plane: Client;
let chat: Server;
let mailServer: SMTPServer;
let posted: { url: string; body: unknown }[] = [];
let mails: { to: string[]; text: string; user: string | undefined; secure: boolean }[] = [];
/** How the mail server answers a recipient; null: it takes him. */
let refusal: number | null = null;

beforeAll(async () => {
  chat = createServer((asked, response) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk: Buffer) => chunks.push(chunk));
    asked.on("end", () => {
      posted.push({ url: asked.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString()) });
      response.end("ok");
    });
  }).listen(0, "127.0.0.1");
  await once(chat, "listening");
  const { key, cert } = selfSigned(["127.0.0.1"]);
  mailServer = new SMTPServer({
    key,
    cert,
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      done(password === "p4ssw0rd" ? null : new Error("no"), { user: username ?? "" }),
    onRcptTo: (_address, _session, done) =>
      done(refusal === null ? null : Object.assign(new Error("no"), { responseCode: refusal })),
    onData(stream, { envelope, user, secure }, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const to = envelope.rcptTo.map(({ address }) => address);
        mails.push({ to, text: Buffer.concat(chunks).toString(), user, secure });
        done();
      });
    },
  });
  mailServer.on("error", () => undefined);
  mailServer.listen(0, "127.0.0.1");
  await once(mailServer.server, "listening");
  const chatHost = `127.0.0.1:${(chat.address() as AddressInfo).port}`;
  const mailHost = `127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`;
  database = await freshDatabase();
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    engines: [],
    env: { TL_OUTBOUND_ALLOW: `${chatHost},${mailHost}` },
  });
  plane = deployment.client();
  await plane.connections.create({
    id: "ops",
    kind: "http",
    base_url: `http://${chatHost}/services/T0/B0/x`,
  });
  await plane.connections.create({
    id: "mail",
    kind: "smtp",
    base_url: `smtp://${mailHost}`,
    auth: { type: "basic", username: "me", password: "p4ssw0rd" },
    tls: { ca: cert },
  });
});
afterAll(async () => {
  await deployment?.stop();
  chat?.closeAllConnections();
  chat?.close();
  await new Promise<void>((resolve) => mailServer?.close(() => resolve()));
  await database?.drop({ force: true });
});
beforeEach(() => {
  deployment.showLogsOnFailure(onTestFailed);
  posted = [];
  mails = [];
  refusal = null;
});

async function notify(input: object, maxAttempts = 1) {
  const { execution_id } = await plane.execute("notify.send", input, { maxAttempts });
  await plane.wait(execution_id, { timeoutMs: 60_000 });
  return plane.status(execution_id, { include: ["calls"] });
}

const mail = {
  channel: "email",
  connection: "mail",
  from: "shop@example.com",
  to: ["a@example.com"],
  title: "Order {{number}}",
  html: "<p>Order <b>{{number}}</b></p>",
  variables: { number: "A-17" },
};

test("a chat message arrives at the connection's own address", async () => {
  const done = await notify({
    channel: "slack",
    connection: "ops",
    text: "{{n}} done",
    variables: { n: 3 },
  });
  expect(done).toMatchObject({ status: "succeeded", output: { channel: "slack", status: 200 } });
  expect(posted).toEqual([{ url: "/services/T0/B0/x", body: { text: "3 done" } }]);
  expect(done.calls).toMatchObject([{ protocol: "http", connection: "ops", step: "notify" }]);
});

test("a mail arrives, encrypted and signed in, as HTML and as text, and is in the log", async () => {
  const done = await notify(mail);
  expect(done).toMatchObject({
    status: "succeeded",
    output: { status: 250, accepted: ["a@example.com"], rejected: [] },
  });
  expect(mails).toMatchObject([{ to: ["a@example.com"], user: "me", secure: true }]);
  expect(mails[0]?.text).toContain("Subject: Order A-17");
  expect(mails[0]?.text).toContain("text/plain");
  expect(done.calls).toMatchObject([
    { protocol: "smtp", method: "SEND", status: 250, connection: "mail", error_code: null },
  ]);
});

test("a 4xx is tried again, and a 5xx is not", async () => {
  refusal = 550;
  const gone = await notify(mail, 3);
  expect(gone).toMatchObject({ status: "failed", attempt: 1, error: { code: "upstream_error" } });
  refusal = 450;
  const busy = await notify(mail, 2);
  expect(busy).toMatchObject({ status: "failed", attempt: 2, error: { retryable: true } });
  expect(busy.calls?.map(({ status }) => status)).toEqual([450, 450]);
});

test("what is missing in a template is the caller's mistake", async () => {
  const failed = await notify({ ...mail, variables: {} });
  expect(failed).toMatchObject({ status: "failed", error: { code: "input_invalid" } });
  expect(mails).toEqual([]);
});

test("an smtp connection can be tried, and says that its password is wrong", async () => {
  expect(await plane.connections.test("mail")).toMatchObject({ ok: true, status: 250 });
  await plane.connections.change("mail", {
    auth: { type: "basic", username: "me", password: "wrong-one" },
  });
  const tried = await plane.connections.test("mail");
  expect(tried).toMatchObject({ ok: false, status: 535 });
  expect(tried.error?.detail).toContain("does not take the credentials");
});
