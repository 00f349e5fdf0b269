import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ProblemError, type Client, type OutboundCall } from "@tl-engine/client";
import { closeDatabase, openDatabase, type Database } from "@tl-engine/shared/db/database.ts";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { findSecrets, textOfDatabase, type Kept } from "../test/everything-kept.ts";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { request } from "./support/request.ts";

// "What did it send?": every call of an execution over HTTP, and nothing in it that nobody may read (X7).

interface Heard {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let database: FreshDatabase;
let record: Database;
let deployment: Deployment;
let plane: Client;
let program: Client;
let callerId = "";
let peer: Server;
let host = "";
let heard: Heard[] = [];

beforeAll(async () => {
  peer = createServer((asked, response) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk: Buffer) => chunks.push(chunk));
    asked.on("end", () => {
      const { method = "", url = "", headers } = asked;
      heard.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      if (url.startsWith("/moves")) {
        response.writeHead(302, { location: "/there?s3cret=l0cation-s3cret" }).end();
      } else if (url.startsWith("/fails")) response.writeHead(503).end("n0t-now");
      else response.writeHead(200, { "set-cookie": "c00kie-s3cret" }).end("the answer");
    });
  }).listen(0, "127.0.0.1");
  await once(peer, "listening");
  host = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
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
    engines: [],
    env: { TL_OUTBOUND_ALLOW: host, TL_LOG_LEVEL: "debug" },
  });
  plane = deployment.client();
  const { key, id } = await plane.keys.create({ name: "sync" });
  program = deployment.client(0, { apiKey: key });
  callerId = `key:${id}`;
  const base = { kind: "http", base_url: `http://${host}` } as const;
  const auth = { type: "bearer", token: "b34rer-s3cret" } as const;
  await plane.connections.create({ ...base, id: "quiet", auth });
  await plane.connections.create({ ...base, id: "told", auth, log: { bodies: true } });
});
afterAll(async () => {
  await deployment?.stop();
  if (record) await closeDatabase(record);
  peer?.closeAllConnections();
  peer?.close();
  await database?.drop({ force: true });
});
beforeEach(() => {
  deployment.showLogsOnFailure(onTestFailed);
  heard = [];
});

async function callsOf(input: object, client = program): Promise<OutboundCall[]> {
  const { execution_id } = await client.execute("http.request", input, { maxAttempts: 1 });
  await client.wait(execution_id, { timeoutMs: 60_000 });
  return (await client.status(execution_id, { include: ["calls"] })).calls ?? [];
}

async function all(client: Client): Promise<OutboundCall[]> {
  const calls: OutboundCall[] = [];
  for await (const call of client.outboundCalls.list()) calls.push(call);
  return calls;
}

test("each try and each hop is a row, with where its time went and whose it was", async () => {
  const calls = await callsOf({ connection: "quiet", url: "/moves?q=qu3ry-s3cret" });
  expect(calls).toMatchObject([
    { path: "/moves", status: 302, try: 1, connection: "quiet", breaker_state: "closed" },
    { path: "/there", status: 200, engine: "http.request", attempt: 1, purpose: "engine" },
  ]);
  const [first] = calls;
  expect(first?.connect_ms).not.toBeNull();
  expect(first?.first_byte_ms).not.toBeNull();
  expect(first?.request_headers).toMatchObject({ authorization: "[redacted]" });
  const { rows } = await record.pool.query("SELECT DISTINCT caller_id FROM outbound_calls");
  expect(rows).toEqual([{ caller_id: callerId }]);
});

test("the list is narrowed, and a caller's own", async () => {
  const [failed] = await callsOf({ connection: "quiet", url: "/fails" }, plane);
  expect(failed).toMatchObject({ status: 503 });
  const found: OutboundCall[] = [];
  for await (const call of plane.outboundCalls.list({ result: "failed", connection: "quiet" })) {
    found.push(call);
  }
  expect(found).toMatchObject([{ id: failed?.id }]);
  expect((await all(program)).map(({ path }) => path)).toEqual(["/there", "/moves"]);
  expect((await all(plane)).map(({ path }) => path)).toEqual(["/fails", "/there", "/moves"]);
});

test("a call through a connection that keeps bodies is shown whole, and sent again as it was", async () => {
  const [call] = await callsOf({
    connection: "told",
    method: "PUT",
    url: "/things/7?color=blue",
    headers: { "content-type": "application/json", "x-note": "hi" },
    text: '{ "exactly":  "so", "password": "p4ssw0rd-s3cret" }',
  });
  expect(call).toMatchObject({ resendable: true, path: "/things/7" });
  const id = call?.id ?? "";
  const whole = await program.outboundCalls.get(id);
  expect(whole).toMatchObject({ response_body: "the answer" });
  expect(whole.request_body).toContain("exactly");
  const { execution_id } = await program.outboundCalls.resend(id);
  await program.wait(execution_id, { timeoutMs: 60_000 });
  const [before, after] = heard;
  expect(after).toMatchObject({
    method: "PUT",
    url: "/things/7?color=blue",
    body: before?.body,
    headers: {
      "content-type": "application/json",
      "x-note": "hi",
      authorization: "Bearer b34rer-s3cret",
    },
  });
  const again = await program.status(execution_id, { include: ["calls"] });
  expect(again).toMatchObject({ status: "succeeded", tags: [`resend_of:${id}`] });
  expect(again.calls).toMatchObject([{ resend_of: id }]);
});

test("a call through another connection is not sent again, and it is said what to do", async () => {
  const [call] = await callsOf({ connection: "quiet", url: "/x" });
  const refused = program.outboundCalls.resend(call?.id ?? "");
  await expect(refused).rejects.toThrow(/log\.bodies/);
  await expect(refused).rejects.toBeInstanceOf(ProblemError);
});

test("X7: no query, no credential, no userinfo and no body is in the log, its API, the metrics or the workers' logs", async () => {
  const marker = (name: string) => `${name}-s3cret`;
  await callsOf({
    connection: "quiet",
    method: "POST",
    url: `/things?q=${marker("qu3ry")}`,
    headers: {
      "x-api-key": marker("api-k3y"),
      cookie: marker("c00kie"),
      "x-anything": marker("h3ader"),
      referer: `http://u:${marker("us3rinfo")}@example.com/`,
    },
    text: marker("b0dy"),
  });
  const withUser = { url: `http://u:${marker("us3rinfo")}@${host}/x` };
  await expect(callsOf(withUser)).rejects.toMatchObject({ code: "invalid_input" });
  await callsOf({ url: `http://${host}/x?q=${marker("qu3ry")}` });
  await callsOf({ connection: "quiet", url: "/moves" });
  const secrets = Object.fromEntries(
    [
      "qu3ry",
      "api-k3y",
      "c00kie",
      "h3ader",
      "us3rinfo",
      "b0dy",
      "b34rer",
      "l0cation",
      "p4ssw0rd",
    ].map((name) => [name, marker(name)]),
  );
  const ids = (await all(plane)).map(({ id }) => id);
  const kept: Kept[] = [
    { place: "API", text: JSON.stringify(await all(plane)) },
    {
      place: "API, one by one",
      text: JSON.stringify(await Promise.all(ids.map((id) => plane.outboundCalls.get(id ?? "")))),
    },
    // An execution's own input and output are its caller's.
    ...(await textOfDatabase(database.url, { executions: ["input", "output"] })),
    ...(await Promise.all(
      [...deployment.apis, ...deployment.workers].map(async ({ name, metricsUrl }) => ({
        place: `metrics of ${name}`,
        text: (await request(`${metricsUrl}/metrics`)).text,
      })),
    )),
    ...[...deployment.apis, ...deployment.workers].map((one) => ({
      place: `log of ${one.name}`,
      text: one.text(),
    })),
  ];
  expect(kept.find(({ place }) => place.endsWith(".outbound_calls"))?.text).toContain("/things");
  expect(findSecrets(kept, secrets)).toEqual([]);
});

test("the workers count calls by connection, protocol and result, and nothing was dropped", async () => {
  const { text } = await request(`${deployment.workers[0]!.metricsUrl}/metrics`);
  expect(text).toMatch(
    /tl_outbound_calls_total\{connection="quiet",protocol="http",result="status_5xx",app="worker"\} 1\n/,
  );
  expect(text).toContain('tl_outbound_call_duration_seconds_bucket{le="0.005",');
  expect(text).toMatch(
    /tl_outbound_bytes_total\{connection="told",protocol="http",direction="sent",app="worker"\} [1-9]/,
  );
  expect(text).not.toMatch(/tl_outbound_log_dropped_total\{/);
});
