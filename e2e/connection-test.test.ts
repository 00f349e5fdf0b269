import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client, CreateConnectionBody } from "@tl-engine/client";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";

let database: FreshDatabase;
let deployment: Deployment;
let upstream: Server;
let plane: Client;
let baseUrl = "";
const arrived: string[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  upstream = createServer((asked, response) => {
    arrived.push(`${asked.method} ${asked.url} ${asked.headers.authorization ?? "-"}`);
    const known = asked.headers.authorization === "Bearer good" || asked.url === "/v2/open";
    const status = { "/v2/broken": 500, "/v2": 404 }[asked.url ?? ""] ?? 200;
    response.writeHead(known ? status : 401).end();
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const address = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  baseUrl = `http://${address}/v2`;
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: null,
    apis: 1,
    workers: 1,
    env: { TL_OUTBOUND_ALLOW: address },
  });
  plane = deployment.client();
});
afterAll(async () => {
  await deployment?.stop();
  upstream?.closeAllConnections();
  upstream?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const create = (id: string, more: Partial<CreateConnectionBody> = {}) =>
  plane.connections.create({
    id,
    kind: "http",
    base_url: baseUrl,
    auth: { type: "bearer", token: "good" },
    ...more,
  });

test("says whether the other side takes us, by the very way that calls take", async () => {
  await create("crm");
  expect(await plane.connections.test("crm")).toMatchObject({ ok: true, status: 404, error: null });
  expect(await plane.connections.test("crm", { path: "/health" })).toMatchObject({ status: 200 });
  expect(arrived).toEqual(["GET /v2 Bearer good", "GET /v2/health Bearer good"]);
  const broken = await plane.connections.test("crm", { path: "/broken" });
  expect(broken).toMatchObject({ ok: false, status: 500, error: { code: "upstream_error" } });
  const { calls } = await plane.status(broken.execution_id, { include: ["calls"] });
  expect(calls).toMatchObject([{ connection: "crm", path: "/v2/broken", status: 500 }]);

  await plane.connections.change("crm", { auth: { type: "bearer", token: "bad" } });
  const refused = await plane.connections.test("crm", { path: "/health" });
  expect(refused).toMatchObject({ ok: false, status: 401 });
  expect(refused.error?.detail).toContain("credentials");
});

test("goes past who it is meant for and whether it is on, for tl-plane alone", async () => {
  await create("meant", { engines: ["nobody.has-it"], callers: [], is_active: false });
  expect(await plane.connections.test("meant", { path: "/health" })).toMatchObject({ ok: true });
  const { key } = await plane.keys.create({ name: "program" });
  const program = deployment.client(0, { apiKey: key });
  const { execution_id: id } = await program.execute("connection.test", { connection: "meant" });
  const { error } = await plane.wait(id);
  expect(error?.code).toBe("outbound_refused");
});

test("tells what only the call shows: where an address leads, and what may be called", async () => {
  await create("private", { base_url: "http://10.0.0.1" });
  expect(await plane.connections.test("private")).toMatchObject({
    ok: false,
    status: null,
    error: { code: "outbound_refused" },
  });
  await create("narrow", { paths: ["/contacts/**"] });
  const before = arrived.length;
  const outside = await plane.connections.test("narrow", { path: "/admin" });
  expect(outside.error?.code).toBe("outbound_refused");
  expect(arrived.length).toBe(before);
});
