import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  problem,
  startScriptedServer,
  type ScriptedServer,
} from "@tl-engine/client/scripted-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "./run-cli.ts";

let api: ScriptedServer;
let folder: string;
beforeEach(async () => {
  api = await startScriptedServer();
  folder = mkdtempSync(join(tmpdir(), "tl-cli-"));
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await api.close();
});

async function tl(args: string[], { env = {}, stdin = "" } = {}) {
  let [stdout, stderr] = ["", ""];
  const code = await runCli(args, {
    env: {
      TL_URL: api.url,
      TL_API_KEY: "plane-key-0123456789-0123456789-01",
      TL_DATA_DIR: folder,
      ...env,
    },
    stdout: { write: (text: string) => ((stdout += text), true), isTTY: false },
    stderr: { write: (text: string) => ((stderr += text), true), isTTY: false },
    stdin: Readable.from([stdin]),
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
const sent = () => api.requests.at(-1)?.json;
const connection = { id: "crm", kind: "http", base_url: "https://x" };

describe("create", () => {
  beforeEach(() => api.on("POST /api/v1/connections", { status: 201, json: connection }));

  test("from options, the secret from the environment", async () => {
    const { code, stdout, stderr } = await tl(
      [
        ..."connections create crm --base-url https://api.example.com/v2 --header x-tenant=acme".split(
          " ",
        ),
        ..."--oauth me --token-url https://id.example.com/token --scope read".split(" "),
        ..."--secret env:CRM_SECRET --timeout 10s --retries 2 --method GET --path /contacts/**".split(
          " ",
        ),
        ..."--concurrency 5 --rate 100/1m --engine http.request --caller plane --log-bodies --no-active".split(
          " ",
        ),
      ],
      { env: { CRM_SECRET: "hunter2" } },
    );
    expect(sent()).toEqual({
      id: "crm",
      kind: "http",
      base_url: "https://api.example.com/v2",
      headers: { "x-tenant": "acme" },
      auth: {
        type: "oauth2_client_credentials",
        client_id: "me",
        client_auth: "basic",
        token_url: "https://id.example.com/token",
        scope: "read",
        client_secret: "hunter2",
      },
      timeouts: { total: "10s", first_byte: "10s" },
      retry: { max_retries: 2 },
      methods: ["GET"],
      paths: ["/contacts/**"],
      concurrency: 5,
      rate: { limit: 100, per: "1m" },
      engines: ["http.request"],
      callers: ["plane"],
      log: { bodies: true },
      is_active: false,
    });
    expect([code, JSON.parse(stdout)]).toEqual([0, connection]);
    expect(stderr).toContain("tl connections test crm");
  });

  test.each<[string[], object]>([
    [["--bearer", "--secret", "-"], { type: "bearer", token: "hunter2" }],
    [
      ["--api-key-header", "X-Key", "--secret", "-"],
      { type: "api_key", in: "header", name: "X-Key", value: "hunter2" },
    ],
    [
      ["--api-key-query", "key", "--secret", "value=-"],
      { type: "api_key", in: "query", name: "key", value: "hunter2" },
    ],
    [["--basic", "me", "--secret", "-"], { type: "basic", username: "me", password: "hunter2" }],
    [
      ["--hmac", "sha256", "--signature-header", "x-s", "--secret", "-"],
      { type: "hmac", scheme: "sha256", header: "x-s", signing_secrets: ["hunter2"] },
    ],
    [
      ["--hmac", "standard_webhooks", "--secret", "env:NEW", "--secret", "-"],
      { type: "hmac", scheme: "standard_webhooks", signing_secrets: ["new", "hunter2"] },
    ],
    [
      ["--oauth", "me", "--client-auth", "private_key_jwt", "--secret", "-"],
      {
        type: "oauth2_client_credentials",
        client_id: "me",
        client_auth: "private_key_jwt",
        private_key: "hunter2",
      },
    ],
    [
      [
        "--oauth",
        "me",
        "--refresh-token",
        "--secret",
        "refresh_token=-",
        "--secret",
        "client_secret=env:NEW",
      ],
      {
        type: "oauth2_refresh_token",
        client_id: "me",
        client_auth: "basic",
        refresh_token: "hunter2",
        client_secret: "new",
      },
    ],
    [["--no-auth"], { type: "none" }],
  ])("auth by %j", async (args, auth) => {
    const env = { NEW: "new" };
    await tl(["connections", "create", "crm", ...args], { stdin: "hunter2\n", env });
    expect(sent()).toMatchObject({ auth });
  });

  test("a certificate and its key, from files", async () => {
    const args = ["--ca", file("ca.pem", "A"), "--certificate", file("c.pem", "C")];
    args.push("--secret", `tls.private_key=@${file("key.pem", "K\n")}`);
    await tl(["connections", "create", "crm", "--base-url", "grpcs://x:443", ...args]);
    expect(sent()).toEqual({
      id: "crm",
      kind: "grpc",
      base_url: "grpcs://x:443",
      tls: { ca: "A", certificate: "C", private_key: "K" },
    });
  });

  test.each([
    ["c.json", '{"id":"crm","base_url":"wss://x","auth":{"type":"bearer"},"concurrency":3}'],
    ["c.yaml", "id: crm\nbase_url: wss://x\nauth: { type: bearer }\nconcurrency: 3\n"],
  ])("from %s, with options above it", async (name, text) => {
    const args = ["--file", file(name, text), "--secret", "-", "--concurrency", "none"];
    await tl(["connections", "create", ...args], { stdin: "hunter2" });
    expect(sent()).toEqual({
      id: "crm",
      kind: "websocket",
      base_url: "wss://x",
      auth: { type: "bearer", token: "hunter2" },
      concurrency: null,
    });
  });

  test.each([
    [["--bearer", "--secret", "hunter2"], "does not belong into a command"],
    [["--bearer", "--secret", "token=hunter2"], "does not belong into a command"],
    [["--bearer", "--secret", "env:NOT_THERE"], "NOT_THERE is not set"],
    [["--bearer", "--basic", "me"], "one way"],
    [["--bearer", "--secret", "-", "--file", "-"], "only once"],
    [["--file", "nowhere.json"], "there is no file"],
    [["--oauth", "me", "--refresh-token", "--secret", "env:TL_URL"], "which secret"],
    [["--rate", "many"], "100/1m"],
  ])("refuses %j, and repeats no secret", async (args, why) => {
    const { code, stderr } = await tl(["connections", "create", "crm", ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(stderr).not.toContain("hunter2");
    expect(api.requests).toEqual([]);
  });

  test("shows what the API says is wrong", async () => {
    api.on("POST /api/v1/connections", {
      status: 422,
      json: problem("invalid_input", 422, {
        errors: [{ pointer: "/base_url", detail: "must be…" }],
      }),
    });
    const { code, stderr } = await tl(["connections", "create", "crm"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("/base_url: must be…")]);
  });
});

describe("change", () => {
  beforeEach(() => {
    api.on("GET /api/v1/connections/crm", {
      status: 200,
      json: {
        ...connection,
        auth: { type: "basic", username: "me", secrets: ["password"] },
        tls: { ca: null, certificate: "C", secrets: ["private_key"] },
      },
    });
    api.on("PATCH /api/v1/connections/crm", { status: 200, json: connection });
  });

  test("a secret alone leaves the rest of its auth as it is", async () => {
    await tl(["connections", "change", "crm", "--secret", "password=-"], { stdin: "new" });
    expect(sent()).toEqual({ auth: { type: "basic", username: "me", password: "new" } });
    await tl(["connections", "change", "crm", "--secret", "tls.private_key=-"], { stdin: "K" });
    expect(sent()).toEqual({ tls: { ca: null, certificate: "C", private_key: "K" } });
  });

  test("sends what is given, and nothing for nothing", async () => {
    await tl(["connections", "change", "crm", "--active", "--description", "d"]);
    expect(sent()).toEqual({ is_active: true, description: "d" });
    expect((await tl(["connections", "change", "crm"])).code).toBe(2);
  });
});

test("list, show, delete", async () => {
  const one = {
    ...connection,
    auth: { type: "none" },
    is_active: false,
    engines: ["http.request"],
    callers: null,
  };
  const path = "/api/v1/connections";
  api.on(`GET ${path}`, { status: 200, json: { connections: [one], next_cursor: null } });
  api.on(`GET ${path}/crm`, { status: 200, json: one });
  api.on(`DELETE ${path}/crm`, { status: 204 });
  const { stdout } = await tl(["connections", "list"]);
  expect(stdout.split("\n")[1]).toMatch(/^crm +http +https:\/\/x +none +off +http\.request +all/);
  expect(JSON.parse((await tl(["connections", "show", "crm"])).stdout)).toEqual(one);
  expect((await tl(["connections", "delete", "crm"])).stdout).toContain("Deleted crm");
});

test("a circuit is closed by hand", async () => {
  const reset = { circuit: { state: "closed" }, released: 7 };
  api.on("POST /api/v1/connections/crm/reset-circuit", { status: 200, json: reset });
  const { code, stdout } = await tl(["connections", "reset-circuit", "crm"]);
  expect([code, stdout]).toEqual([
    0,
    expect.stringContaining("crm is closed; 7 executions waited for it"),
  ]);
  expect(JSON.parse((await tl(["connections", "reset-circuit", "crm", "--json"])).stdout)).toEqual(
    reset,
  );
});

test("a test says how it was answered, by its exit code too", async () => {
  const good = { ok: true, status: 200, duration_ms: 12.3, error: null, execution_id: "e" };
  api.on("POST /api/v1/connections/crm/test", { status: 200, json: good });
  const well = await tl(["connections", "test", "crm", "--path", "/health"]);
  expect([well.code, well.stdout]).toEqual([
    0,
    expect.stringContaining("crm answered 200 in 12 ms"),
  ]);
  expect(sent()).toEqual({ path: "/health" });
  api.on("POST /api/v1/connections/crm/test", {
    status: 200,
    json: {
      ...good,
      ok: false,
      status: null,
      error: { code: "outbound_refused", detail: "private" },
    },
  });
  const badly = await tl(["connections", "test", "crm"]);
  expect([badly.code, badly.stdout]).toEqual([
    1,
    expect.stringContaining("outbound_refused: private"),
  ]);
});
