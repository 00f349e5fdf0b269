import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, test } from "vitest";

import { parseAllowList } from "../allow-list.ts";
import { createOutbound } from "../outbound.ts";
import { type Connection } from "../ports.ts";
import { selfSigned } from "../test-support/self-signed-certificate.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTestScope } from "../test-support/test-scope.ts";
import { type Mail } from "./smtp-client.ts";

const { key, cert } = selfSigned(["localhost", "127.0.0.1"]);
const mine = { ca: cert, certificate: null, privateKey: null };
const basic = { type: "basic", username: "me", password: "p4ssw0rd" } as const;
const mail: Mail = {
  from: "Shop <shop@example.com>",
  to: ["a@example.com"],
  subject: "Hi",
  text: "there",
};

interface Received {
  from: string;
  to: string[];
  text: string;
  secure: boolean;
  user: string | undefined;
}

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(server: Server | SMTPServer): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const inner = server instanceof SMTPServer ? server.server : server;
  return (inner.address() as AddressInfo).port;
}

/** A mail server on loopback. */
async function startServer(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const server = new SMTPServer({
    key,
    cert,
    authOptional: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      username === basic.username && password === basic.password
        ? done(null, { user: username })
        : done(Object.assign(new Error("no"), { responseCode: 535 })),
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
          secure: session.secure,
          user: session.user,
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => undefined);
  const port = await listen(server);
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port, received };
}

function reach(
  port: number,
  facts: Partial<Connection> = {},
  signal = new AbortController().signal,
  allow = `127.0.0.1:${port}`,
) {
  const outbound = createOutbound({ allow: parseAllowList(allow) });
  closers.push(() => outbound.close());
  const connection = testConnection({
    id: "mail",
    kind: "smtp",
    baseUrl: `smtp://127.0.0.1:${port}`,
    tls: mine,
    ...facts,
  });
  const scope = createTestScope({
    signal,
    connections: { connection: () => Promise.resolve(connection) },
  });
  return { client: outbound.smtp(scope, "mail"), scope };
}

describe("a mail", () => {
  test("goes out encrypted by STARTTLS, signed in, with a row in the log", async () => {
    const { port, received } = await startServer();
    const { client, scope } = reach(port, { auth: basic });
    const sent = await client.send(
      {
        ...mail,
        cc: ["c@example.com"],
        bcc: ["b@example.com"],
        html: "<b>there</b>",
        replyTo: "r@example.com",
      },
      { step: "mail" },
    );
    expect(sent).toMatchObject({ status: 250, rejected: [] });
    const [one] = received;
    expect(one).toMatchObject({
      from: "shop@example.com",
      to: ["a@example.com", "c@example.com", "b@example.com"],
      secure: true,
      user: "me",
    });
    expect(one?.text).toContain(`Message-ID: ${sent.messageId}`);
    expect(one?.text).toContain("Content-Type: multipart/alternative");
    expect(one?.text).toContain("Reply-To: r@example.com");
    expect(one?.text).not.toContain("b@example.com");
    expect(scope.calls).toMatchObject([
      {
        protocol: "smtp",
        method: "SEND",
        host: `127.0.0.1:${port}`,
        path: "",
        status: 250,
        step: "mail",
        connection: "mail",
        error_code: null,
      },
    ]);
    expect(scope.calls[0]?.bytes_sent).toBeGreaterThan(100);
    expect(JSON.stringify(scope.calls)).not.toMatch(/p4ssw0rd|example\.com/);
  });

  test("goes out over TLS from the first byte on", async () => {
    const { port, received } = await startServer({ secure: true });
    const { client } = reach(port, { baseUrl: `smtps://127.0.0.1:${port}`, auth: basic });
    await client.send(mail);
    expect(received).toMatchObject([{ secure: true, user: "me" }]);
  });

  test("has the same Message-ID in every attempt, and another in another step", async () => {
    const { port, received } = await startServer();
    const { client } = reach(port);
    const ids = [];
    for (const step of ["a", "a", "b"]) ids.push((await client.send(mail, { step })).messageId);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(received).toHaveLength(3);
  });

  test("that some are not there for is sent to the others, and it is said", async () => {
    const { port } = await startServer({
      onRcptTo: ({ address }, _session, done) =>
        done(
          address.startsWith("gone")
            ? Object.assign(new Error("gone"), { responseCode: 550 })
            : null,
        ),
    });
    const { client } = reach(port);
    const sent = await client.send({ ...mail, to: ["gone@example.com", "a@example.com"] });
    expect(sent).toMatchObject({ accepted: ["a@example.com"], rejected: ["gone@example.com"] });
  });

  test("cannot bring headers of its own: a line break anywhere is refused before anything is sent", async () => {
    const { port, received } = await startServer();
    const { client, scope } = reach(port);
    const evil = "\r\nBcc: victim@example.com";
    const bad: Partial<Mail>[] = [
      { subject: `Hi${evil}` },
      { subject: "Hi\u2028there" },
      { from: `a${evil}@example.com` },
      { from: `Shop${evil} <shop@example.com>` },
      { to: [`a@example.com${evil}`] },
      { to: ["a@example.com> SIZE=1 <b@example.com"] },
      { to: ["a@example.com,b@example.com"] },
      { to: ["a b@example.com"] },
      { to: [] },
      { cc: ["nobody"] },
      { replyTo: `r@example.com${evil}` },
      { subject: "x".repeat(1_000) },
      { to: Array.from({ length: 101 }, (_, n) => `a${n}@example.com`) },
      { text: "x".repeat(6 * 1024 * 1024) },
      { text: undefined },
    ];
    for (const one of bad) {
      await expect(client.send({ ...mail, ...one })).rejects.toMatchObject({
        code: "outbound_refused",
      });
    }
    expect(received).toEqual([]);
    expect(scope.calls).toEqual([]);
  });

  test("may hold dots, long lines, other scripts and what looks like a header", async () => {
    const { port, received } = await startServer();
    const { client } = reach(port);
    const text = `.\r\n..\nBcc: x@example.com\n${"ä".repeat(2_000)}`;
    await client.send({ ...mail, subject: "Größe ✓ =?utf-8?Q?x?=", text });
    expect(received).toHaveLength(1);
    expect(received[0]?.to).toEqual(["a@example.com"]);
    expect(received[0]?.text.split("\r\n\r\n")[0]).not.toContain("Bcc");
  });
});

describe("what the server says", () => {
  const failing =
    (responseCode: number) => (_a: unknown, _s: unknown, done: (error?: Error | null) => void) =>
      done(Object.assign(new Error("no <a@example.com>"), { responseCode }));

  test.each([
    [451, true],
    [550, false],
  ])("%i to a recipient: tried again %s", async (status, retryable) => {
    const { port } = await startServer({ onRcptTo: failing(status) });
    const { client, scope } = reach(port);
    const failed = client.send(mail);
    await expect(failed).rejects.toMatchObject({ code: "upstream_error", status, retryable });
    await expect(failed).rejects.toThrow(/answered \d{3} /);
    await expect(failed).rejects.not.toThrow(/a@example\.com/);
    expect(scope.calls).toMatchObject([{ status, error_code: "upstream_error" }]);
  });

  test("a refusal of the mail itself is an answer, and not a doubt", async () => {
    const { port } = await startServer({
      onData(stream, _session, done) {
        stream.resume();
        stream.on("end", () => done(Object.assign(new Error("full"), { responseCode: 452 })));
      },
    });
    await expect(reach(port).client.send(mail)).rejects.toMatchObject({
      status: 452,
      retryable: true,
    });
  });

  test("wrong credentials are not tried again, and not shown", async () => {
    const { port } = await startServer();
    const { client } = reach(port, { auth: { ...basic, password: "wr0ng" } });
    const failed = client.send(mail);
    await expect(failed).rejects.toMatchObject({ status: 535, retryable: false });
    await expect(failed).rejects.not.toThrow(/wr0ng/);
  });

  test("a broken line before the mail: again; while it was handed over: not, but for one that may come twice", async () => {
    const early = createServer((socket) => socket.destroy());
    const port = await listen(early);
    closers.push(() => void early.close());
    await expect(reach(port).client.send(mail)).rejects.toMatchObject({
      code: "connection_failed",
      retryable: true,
    });

    let line: Socket | null = null;
    const late = await startServer({
      onData(stream) {
        stream.resume();
        stream.on("end", () => line?.destroy());
      },
    });
    const proxy = createServer((socket) => {
      line = socket;
      const upstream = connect(late.port, "127.0.0.1");
      socket.pipe(upstream).pipe(socket);
      for (const one of [socket, upstream]) one.on("error", () => undefined);
      socket.on("close", () => upstream.destroy());
    });
    const proxyPort = await listen(proxy);
    closers.push(() => void proxy.close());
    const doubt = { code: "connection_failed", retryable: false };
    await expect(reach(proxyPort).client.send(mail)).rejects.toMatchObject(doubt);
    await expect(reach(proxyPort).client.send(mail, { idempotent: true })).rejects.toMatchObject({
      ...doubt,
      retryable: true,
    });
  });

  test("what is no SMTP fails", async () => {
    const web = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    const port = await listen(web);
    closers.push(() => void web.close());
    await expect(reach(port).client.send(mail)).rejects.toMatchObject({ name: "UpstreamError" });
  });
});

describe("the guard", () => {
  test("credentials go over TLS alone", async () => {
    let asked = 0;
    const { port } = await startServer({
      hideSTARTTLS: true,
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      onAuth: (_auth, _session, done) => {
        asked += 1;
        done(null, { user: "me" });
      },
    });
    const { client } = reach(port, { auth: basic });
    await expect(client.send(mail)).rejects.toMatchObject({
      code: "connection_failed",
      retryable: false,
    });
    expect(asked).toBe(0);
  });

  test.each([true, false])(
    "a certificate that nobody vouches for is refused (from the first byte on: %s)",
    async (secure) => {
      const { port, received } = await startServer({ secure });
      const baseUrl = `smtp${secure ? "s" : ""}://127.0.0.1:${port}`;
      const tls = { ca: null, certificate: null, privateKey: null };
      const { client } = reach(port, { baseUrl, tls, auth: basic });
      await expect(client.send(mail)).rejects.toMatchObject({
        code: "connection_failed",
        retryable: false,
      });
      expect(received).toEqual([]);
    },
  );

  test("judges the address, and port 25 needs an entry that names it", async () => {
    const { port, received } = await startServer();
    const refused = reach(port, {}, undefined, "");
    await expect(refused.client.send(mail)).rejects.toMatchObject({ code: "outbound_refused" });
    expect(refused.scope.calls).toMatchObject([{ error_code: "outbound_refused" }]);
    const relay = reach(port, { baseUrl: "smtp://mail.example.com:25" }, undefined, "");
    await expect(relay.client.send(mail)).rejects.toThrow(/port 25/);
    expect(received).toEqual([]);
  });

  test("an abort closes the socket, and time is bounded", async () => {
    const closed: Promise<void>[] = [];
    const silent = createServer((socket) => {
      socket.on("error", () => undefined);
      closed.push(new Promise((resolve) => socket.on("close", () => resolve())));
    });
    const port = await listen(silent);
    closers.push(() => void silent.close());
    const late = reach(port).client.send(mail, { timeout: 50 });
    await expect(late).rejects.toMatchObject({ code: "timeout", retryable: true });
    const aborting = new AbortController();
    silent.once("connection", () => aborting.abort(new Error("enough")));
    await expect(reach(port, {}, aborting.signal).client.send(mail)).rejects.toThrow("enough");
    await Promise.all(closed);
    expect(closed).toHaveLength(2);
  });
});

test("verify greets, signs in and sends nothing", async () => {
  const { port, received } = await startServer();
  const { client, scope } = reach(port, { auth: basic });
  expect(await client.verify()).toEqual({ status: 250 });
  expect(received).toEqual([]);
  expect(scope.calls).toMatchObject([{ method: "NOOP", status: 250 }]);
});
