import { execFile } from "node:child_process";
import { createServer } from "node:https";
import { type TLSSocket } from "node:tls";
import { promisify } from "node:util";

import { ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";

import { parseAllowList } from "../allow-list.ts";

import { OutboundError } from "../errors.ts";
import { createOutbound } from "../outbound.ts";
import { openSocket } from "../open-socket.ts";
import { type ConnectionTls } from "../ports.ts";
import { readTarget } from "../target.ts";
import { startGrpc } from "../test-support/grpc-server.ts";
import { startServer, type LoopbackServer } from "../test-support/loopback-server.ts";
import { selfSigned } from "../test-support/self-signed-certificate.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTestScope } from "../test-support/test-scope.ts";
import { tlsOfConnection } from "./tls-of-connection.ts";

const site = selfSigned(["partner.test"]);
const ours = selfSigned(["us.test"]);
const stranger = selfSigned(["partner.test", "us.test"]);

/** A server that demands a client certificate of one authority, and answers with whose it was. */
let partner: LoopbackServer;
beforeAll(async () => {
  const server = createServer(
    { ...site, requestCert: true, rejectUnauthorized: true, ca: [ours.cert] },
    (request, response) => {
      const { fingerprint256 } = (request.socket as TLSSocket).getPeerCertificate();
      response.end(`seen ${fingerprint256}`);
    },
  );
  partner = await startServer(server);
});
afterAll(() => partner.close());

/** What the server says, or how the connection ended. */
async function visit(tls: Partial<ConnectionTls>): Promise<string> {
  const socket = await openSocket({
    target: readTarget(`https://partner.test:${partner.port}/`),
    addresses: ["127.0.0.1"],
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    ...tlsOfConnection({ ca: null, certificate: null, privateKey: null, ...tls }),
  });
  let text = "";
  let broke = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  // TLS 1.3 tells a client that its certificate is not accepted only after the handshake.
  socket.on("error", (error: NodeJS.ErrnoException) => (broke = error.code ?? "broken"));
  socket.write("GET / HTTP/1.1\r\nHost: partner.test\r\nConnection: close\r\n\r\n");
  await new Promise((resolve) => socket.once("close", resolve));
  return /seen .*/.exec(text)?.[0].trim() ?? `broken: ${broke}`;
}

describe("a server that demands a client certificate", () => {
  it("is shown the connection's", async () => {
    const seen = await visit({ ca: site.cert, certificate: ours.cert, privateKey: ours.key });
    expect(seen).toMatch(/^seen ([0-9A-F]{2}:){31}/);
  });

  it("refuses a connection without one, or with a stranger's", async () => {
    expect(await visit({ ca: site.cert })).toMatch(/^broken/);
    const strange = { certificate: stranger.cert, privateKey: stranger.key };
    expect(await visit({ ca: site.cert, ...strange })).toMatch(/^broken/);
  });
});

describe("a private authority", () => {
  const client = { certificate: ours.cert, privateKey: ours.key };

  it("replaces the system's, so that no other is accepted", async () => {
    for (const ca of [null, stranger.cert]) {
      const refused = visit({ ca, ...client });
      await expect(refused).rejects.toMatchObject({ code: "connection_failed", retryable: false });
      await expect(refused).rejects.toThrow(/certificate is not accepted/);
    }
  });

  it("cannot be switched off by the environment of the process", async () => {
    const program = `
      const { openSocket } = await import(${JSON.stringify(import.meta.resolve("../open-socket.ts"))});
      const { readTarget } = await import(${JSON.stringify(import.meta.resolve("../target.ts"))});
      try {
        await openSocket({
          target: readTarget("https://partner.test:${partner.port}/"),
          addresses: ["127.0.0.1"],
          timeoutMs: 10_000,
          signal: new AbortController().signal,
          certificateAuthorities: [${JSON.stringify(stranger.cert)}],
        });
        console.log("connected");
      } catch (error) {
        console.log(error.message);
      }
      process.exit();`;
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", program],
      { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } },
    );
    expect(stdout).toMatch(/its certificate is not accepted/);
    // Node's own words for it show that the switch was on.
    expect(stderr).toMatch(/NODE_TLS_REJECT_UNAUTHORIZED/);
  });
});

describe.each(["websocket", "grpc"] as const)("a connection of kind %s", (kind) => {
  const server = selfSigned(["127.0.0.1"]);
  const mutual = { key: server.key, cert: server.cert, ca: ours.cert };
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  async function callThrough(tls: Partial<ConnectionTls>): Promise<unknown> {
    const { host } = kind === "grpc" ? await serveGrpc() : await serveWebSocket();
    const connection = testConnection({
      kind,
      baseUrl: `${kind === "grpc" ? "grpcs" : "wss"}://${host}`,
      tls: { ca: server.cert, certificate: ours.cert, privateKey: ours.key, ...tls },
    });
    const outbound = createOutbound({ allow: parseAllowList(host) });
    closing.push(() => outbound.close());
    const scope = createTestScope({ connections: { connection: async () => connection } });
    return kind === "grpc"
      ? outbound.grpc(scope, "crm").call("shop.v1.Inventory/GetItem", {})
      : outbound.websocket(scope, "crm").exchange("/", { count: 1 });
  }

  async function serveGrpc() {
    const { ca, cert, key } = mutual;
    const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
    const started = await startGrpc(
      { GetItem: (_call: unknown, answer: sendUnaryData<unknown>) => answer(null, {}) },
      { credentials: ServerCredentials.createSsl(Buffer.from(ca), [pair], true) },
    );
    closing.push(() => started.close());
    return started;
  }

  async function serveWebSocket() {
    const https = createServer({ ...mutual, requestCert: true, rejectUnauthorized: true });
    new WebSocketServer({ server: https }).on("connection", (socket) => socket.send("hello"));
    const started = await startServer(https);
    closing.push(() => started.close());
    return started;
  }

  it("shows its certificate to a server that its own authority vouches for", async () => {
    expect(await callThrough({})).toMatchObject({ messages: [expect.anything()] });
  });

  it("is refused without the certificate, and refuses what its authority does not vouch for", async () => {
    const bare = { certificate: null, privateKey: null };
    // How the refusal looks is the protocol's: over TLS 1.3 it comes behind the handshake.
    await expect(callThrough(bare)).rejects.toThrow(OutboundError);
    for (const ca of [null, stranger.cert]) {
      await expect(callThrough({ ca })).rejects.toThrow(/certificate is not accepted/);
    }
  });
});

describe("a certificate or key that cannot be read", () => {
  it.each<[string, Partial<ConnectionTls>]>([
    ["no PEM", { certificate: "s3cret", privateKey: "s3cret" }],
    ["key of another", { certificate: ours.cert, privateKey: stranger.key }],
  ])("fails before anything is sent, without saying what it is: %s", async (_what, tls) => {
    const before = partner.connections();
    const failed = visit(tls);
    await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: false });
    await expect(failed).rejects.toThrow(/authority, certificate or private key cannot be used/);
    await expect(failed).rejects.not.toThrow(/s3cret/);
    expect(partner.connections()).toBe(before);
  });
});
