import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../config/config.ts";
import { checkMachine, readMachine } from "./machine-checks.ts";
import { checkNetwork } from "./network-checks.ts";
import { judgeOutboundEntry } from "./outbound-entries.ts";
import { checkApi, checkKeySet, type Get } from "./reach-checks.ts";
import { checkRetentionSettings } from "./retention-checks.ts";
import { checkSecrets } from "./secret-checks.ts";
import { bitsOf } from "./secret-strength.ts";

const hex = () => randomBytes(32).toString("hex");
const levels = (env: Record<string, string>) =>
  checkSecrets(loadConfig(env)).map(({ id, level }) => `${id} ${level}`);

test("secrets: weak, used twice, a common password; none is repeated", () => {
  const good = { TL_PLANE_API_KEY: hex(), TL_JWT_SECRET: hex(), TL_SECRET_KEY: hex() };
  expect(levels(good)).toEqual(["secrets.strength ok"]);
  const weak = "plane-key-0123456789-0123456789-01";
  expect(levels({ ...good, TL_PLANE_API_KEY: weak })).toEqual(["secrets.strength warning"]);
  expect(JSON.stringify(checkSecrets(loadConfig({ TL_PLANE_API_KEY: weak })))).not.toContain(weak);
  const same = hex();
  expect(levels({ ...good, TL_PLANE_API_KEY: same, TL_JWT_SECRET: same })).toEqual([
    "secrets.same error",
  ]);
  expect(levels({ ...good, DATABASE_URL: "postgres://u:changeme@db/x" })).toEqual([
    "secrets.password warning",
  ]);
  expect(levels({ ...good, DATABASE_URL: `postgres://u:${good.TL_JWT_SECRET}@db/x` })).toEqual([
    "secrets.same error",
  ]);
});

test("what a secret is worth: made at random much, runs and repeats little", () => {
  for (let n = 0; n < 200; n++) {
    expect(bitsOf(hex())).toBeGreaterThan(200);
    expect(bitsOf(randomBytes(24).toString("base64url"))).toBeGreaterThan(112);
    expect(bitsOf(randomBytes(16).toString("hex"))).toBeGreaterThan(96);
  }
  for (const text of [
    "0123456789".repeat(4),
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "tl-plane-tl-plane-tl-plane-tl-plane",
  ]) {
    expect(bitsOf(text)).toBeLessThan(96);
  }
});

test("who may come in: development's keys on a public address, every web page", () => {
  const look = (env: Record<string, string>, developmentSecrets = false) =>
    checkNetwork({ config: loadConfig(env), developmentSecrets })
      .filter(({ level }) => level !== "ok")
      .map(({ id, level }) => `${id} ${level}`);
  expect(look({})).toEqual([]);
  expect(look({ HOST: "0.0.0.0" })).toEqual([]);
  expect(look({}, true)).toEqual([]);
  expect(look({ HOST: "0.0.0.0" }, true)).toEqual(["network.listen warning"]);
  expect(look({ TL_CORS_ORIGINS: "*" })).toEqual(["network.cors warning"]);
  expect(look({ TL_OUTBOUND_ALLOW: "orders.internal:8080,0.0.0.0/0" })).toEqual([
    "network.outbound error",
  ]);
});

test("what engines may reach: too wide, or just what is meant", () => {
  const level = (entry: string) => judgeOutboundEntry(entry)?.level ?? "ok";
  for (const entry of [
    "0.0.0.0/0",
    "::/0",
    "[::/0]:443",
    "169.254.0.0/16",
    "169.254.169.254:80",
    "callback:160.0.0.0/4",
    "fd00::/8",
  ]) {
    expect([entry, level(entry)]).toEqual([entry, "error"]);
  }
  for (const entry of [
    "127.0.0.0/8",
    "127.0.0.1",
    "[::1]",
    "10.0.0.0/8",
    "10.0.0.0/8:443",
    "fc00:1::/32",
  ]) {
    expect([entry, level(entry)]).toEqual([entry, "warning"]);
  }
  for (const entry of [
    "127.0.0.1:8080",
    "orders.internal",
    "10.1.0.0/16:443",
    "192.168.1.7",
    "[fd12:3456::1]:80",
    "nonsense/x/y",
  ]) {
    expect([entry, level(entry)]).toEqual([entry, "ok"]);
  }
});

test("retention that makes no sense", () => {
  const level = (retention: string, tombstones: string) => {
    const config = loadConfig({ TL_RETENTION: retention, TL_TOMBSTONE_RETENTION: tombstones });
    return checkRetentionSettings(config).map(({ level }) => level);
  };
  expect(level("7d", "90d")).toEqual(["ok"]);
  expect(level("10m", "90d")).toEqual(["warning"]);
  expect(level("7d", "1d")).toEqual(["warning"]);
  expect(level("800d", "900d")).toEqual(["warning"]);
});

test("the machine: an old Node, few files", () => {
  const look = (nodeVersion: string, openFiles: number | null) =>
    checkMachine({ nodeVersion, openFiles }).map(({ id, level }) => `${id} ${level}`);
  expect(look("20.20.2", 65_536)).toEqual(["machine.node error", "machine.open_files ok"]);
  expect(look("24.1.0", 1_024)).toEqual(["machine.node ok", "machine.open_files warning"]);
  expect(look("24.1.0", null)).toEqual(["machine.node ok"]);
  expect(readMachine().nodeVersion).toBe(process.versions.node);
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const get: Get = async (url) => {
  const answer = await fetch(url, {
    signal: AbortSignal.timeout(2_000),
    headers: { connection: "close" },
  });
  return { status: answer.status, text: await answer.text() };
};

async function serve(answers: Record<string, [number, unknown]>): Promise<string> {
  const server = createServer((request, response) => {
    const [status, body] = answers[request.url ?? ""] ?? [404, {}];
    response.writeHead(status).end(JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("an API that is away, that waits, that is degraded, that is something else", async () => {
  const healthz = [200, { status: "ok" }] as [number, unknown];
  const look = async (url: string) =>
    (await checkApi(url, get)).map(({ id, level, remedy }) => [
      id,
      level,
      remedy?.split("\n")[0] ?? null,
    ]);
  expect((await look("http://127.0.0.1:1"))[0]?.slice(0, 2)).toEqual(["api.reachable", "error"]);
  expect((await look(await serve({})))[0]?.slice(0, 2)).toEqual(["api.reachable", "error"]);
  const ready = { status: "ready", reasons: [], degraded: [] };
  expect(await look(await serve({ "/healthz": healthz, "/readyz": [200, ready] }))).toEqual([
    ["api.reachable", "ok", null],
  ]);
  expect(
    await look(
      await serve({ "/healthz": healthz, "/readyz": [503, { ...ready, reasons: ["migrations"] }] }),
    ),
  ).toEqual([["api.ready", "error", "npm run migrate"]]);
  expect(
    (
      await look(
        await serve({ "/healthz": healthz, "/readyz": [200, { ...ready, degraded: ["redis"] }] }),
      )
    )[0]?.slice(0, 2),
  ).toEqual(["api.ready", "warning"]);
});

test("a key set that is there, empty, away", async () => {
  const at = await serve({
    "/good": [200, { keys: [{ kty: "OKP" }] }],
    "/empty": [200, { keys: [] }],
  });
  const level = async (url: string) => (await checkKeySet(url, get)).map(({ level }) => level);
  expect(await level(`${at}/good`)).toEqual(["ok"]);
  expect(await level(`${at}/empty`)).toEqual(["error"]);
  expect(await level(`${at}/none`)).toEqual(["error"]);
  expect(await level("http://127.0.0.1:1/jwks")).toEqual(["error"]);
});
