import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  accepted,
  execution,
  problem,
  startScriptedServer,
  succeeded,
  type ScriptedServer,
} from "@tl-engine/client/scripted-server";
import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "./run-cli.ts";

const main = join(import.meta.dirname, "main.ts");
const planeKey = "plane-key-0123456789-0123456789-01";
const jwtSecret = "a-secret-of-more-than-thirty-two-bytes";

let api: ScriptedServer;
let folder: string;
beforeEach(async () => {
  api = await startScriptedServer();
  folder = mkdtempSync(join(tmpdir(), "tl-cli-"));
  secrets({ url: api.url });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await api.close();
});

/** What `npm start` leaves in its data folder. */
function secrets(members: Record<string, unknown>): void {
  const all = {
    plane_api_key: planeKey,
    program_api_key: "tlk_program",
    jwt_secret: jwtSecret,
    secret_key: "x",
    postgres_password: "y",
    ...members,
  };
  writeFileSync(join(folder, "secrets.json"), JSON.stringify(all));
}

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `tl` as a user would: a process of its own, with an environment of its own. */
async function tl(
  args: string[],
  options: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Run> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"], TL_DATA_DIR: folder, ...options.env },
    cwd: folder,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.end(options.stdin ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** The same in this process, for the many cases that a process each would only make slow. */
async function tlHere(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const run = { stdout: "", stderr: "" };
  const code = await runCli(args, {
    env: { TL_DATA_DIR: folder, ...env },
    stdout: { write: (text) => (run.stdout += text) },
    stderr: { write: (text) => (run.stderr += text) },
    stdin: Readable.from([]),
    signal: new AbortController().signal,
  });
  return { code, ...run };
}

const submit = "POST /api/v1/engines/resize/execute";
const status = "GET /api/v1/executions/0199";

describe("execute", () => {
  test("submits everything that was said, as the program", async () => {
    api.on(submit, { status: 202, json: accepted() });
    writeFileSync(join(folder, "in.json"), '{"url":"https://example.com","n":1.50}');
    writeFileSync(join(folder, "rows.csv"), "a,b\n1,2\n");
    const run = await tl(
      [
        "execute",
        "resize",
        "--input",
        "@in.json",
        "--input-text",
        "csv=@rows.csv",
        "--input-text",
        "note=a=b",
        "--input-json",
        "rows=-",
        "--priority",
        "low",
        "--delay",
        "10s",
        "--ttl",
        "15m",
        "--timeout",
        "5m",
        "--max-attempts",
        "4",
        "--tag",
        "a",
        "--tag",
        "b",
        "--metadata",
        "order=A-17",
        "--idempotency-key",
        "k1",
      ],
      { stdin: "[1,2]" },
    );
    expect(run).toEqual({ code: 0, stdout: "0199  resize@2  queued\n", stderr: "" });
    expect(api.requests[0]?.json).toEqual({
      input: {
        url: "https://example.com",
        n: 1.5,
        csv: "a,b\n1,2\n",
        note: "a=b",
        rows: [1, 2],
      },
      options: { priority: "low", delay: "10s", ttl: "15m", timeout: "5m", max_attempts: 4 },
      tags: ["a", "b"],
      metadata: { order: "A-17" },
    });
    expect(api.requests[0]?.headers).toMatchObject({
      "x-api-key": "tlk_program",
      "idempotency-key": '"k1"',
    });
    expect(api.requests[0]?.headers).not.toHaveProperty("prefer");
  });

  test("--wait --json prints the execution that the API described, and nothing else", async () => {
    const done = succeeded({ bytes: 3 });
    api.on(submit, { status: 202, json: accepted() });
    api.on(status, { status: 200, json: done });
    const run = await tl(["execute", "resize", "--input", "{}", "--wait", "--json"]);
    expect(run).toEqual({ code: 0, stdout: `${JSON.stringify(done)}\n`, stderr: "" });
    expect(api.requests[0]?.headers["prefer"]).toBe("wait=3");
  });

  test("--wait ends with 1 when the execution failed, and shows why", async () => {
    const error = {
      type: "t",
      title: "The engine failed",
      detail: "no such \u001b[31mfile",
      code: "engine_error",
      retryable: false,
      attempt: 3,
      details: { page: 4 },
    };
    const failed = execution({ status: "failed", done: true, attempt: 3, error });
    api.on(submit, { status: 200, json: failed });
    const run = await tl(["execute", "resize", "--input", "{}", "--wait"]);
    expect(run.code).toBe(1);
    expect(run.stdout).toContain("0199  resize@2  failed\n");
    expect(run.stdout).toContain("error     engine_error: no such \ufffd[31mfile\n");
    expect(run.stdout).toContain('details   {"page":4}\n');
    expect(run.stdout).toContain("attempt   3 of 3\n");
  });

  test("--wait-timeout ends the waiting with 1 and says how to look again", async () => {
    api.on(submit, { status: 202, json: accepted() });
    api.on(status, () => undefined);
    const run = await tl(["execute", "resize", "--input", "{}", "--wait-timeout", "100ms"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^tl: .*not done within 100 ms.*tl status 0199 --wait\n$/);
  });

  test("waiting for what no worker serves says so on stderr, also with --json", async () => {
    const wait = { reason: "no_worker", until: null, blocked_by: null };
    const held = Promise.withResolvers<void>();
    api.on(submit, { status: 202, json: accepted() });
    api.on(status, ({ query }, response) => {
      const answer = (body: unknown): void => void response.end(JSON.stringify(body));
      response.setHeader("content-type", "application/json");
      if (query["wait"] === undefined) {
        answer(execution({ wait }));
        // It was looked at; now a worker comes and ends it.
        held.resolve();
      } else void held.promise.then(() => setTimeout(() => answer(succeeded({})), 300));
    });
    const run = await tl(["execute", "resize", "--input", "{}", "--wait", "--json"]);
    expect([run.code, JSON.parse(run.stdout)]).toEqual([0, succeeded({})]);
    expect(run.stderr).toMatch(/^No worker serves resize@2 at the moment.*npm run worker.*\n$/);
  });

  test("a refusal names each wrong member on stderr; with --json it is the problem itself", async () => {
    const errors = [{ pointer: "/input/url", detail: "is required" }];
    const refusal = problem("invalid_input", 422, { errors });
    api.on(submit, { status: 422, json: refusal });
    const run = await tl(["execute", "resize", "--input", "{}"]);
    expect(run).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "tl: The detail of invalid_input (invalid_input, HTTP 422, request req-1)\n  /input/url: is required\n",
    });
    const json = await tl(["execute", "resize", "--input", "{}", "--json"]);
    expect(json).toEqual({ code: 1, stdout: "", stderr: `${JSON.stringify(refusal)}\n` });
  });

  test("Ctrl-C ends the waiting, not the execution", async () => {
    api.on(submit, { status: 202, json: accepted() });
    const asked = new Promise<void>((resolve) => api.on(status, () => resolve()));
    const child = spawn(
      process.execPath,
      [main, "execute", "resize", "--input", "{}", "--wait-timeout", "1h"],
      { env: { PATH: process.env["PATH"], TL_DATA_DIR: folder } },
    );
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    await asked;
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    expect(stderr).toBe(
      "The execution goes on. Look again: tl status 0199 · end it: tl cancel 0199\n",
    );
    expect(api.requests.map((r) => r.path)).not.toContain("/api/v1/executions/0199/cancel");
  });
});

test.for<[args: string[], message: RegExp]>([
  [["execute", "resize"], /what is the input\?/],
  [["execute", "resize", "--input", "{"], /^tl: --input \(as given\) is not JSON: /],
  [["execute", "resize", "--input", "@nowhere.json"], /there is no file .*nowhere\.json\.$/],
  [["execute", "resize", "--input", "[]", "--input-text", "a=b"], /must be a JSON object/],
  [["execute", "resize", "--input", '{"n":12345678901234567890}'], /12345678901234567890 can't/],
  [["execute", "resize", "--input", '{"n":1e400}'], /the number 1e400 can't be sent/],
  [["execute", "resize", "--input", "-", "--input-text", "a=-"], /only once/],
  [["execute", "resize", "--input", "{}", "--delay", "soon"], /--delay .*must be a duration/],
  [["execute", "resize", "--input", "{}", "--priority", "urgent"], /Allowed choices are high/],
  [["execute", "resize", "--input", "{}", "--max-attempts", "0"], /must be a whole number/],
  [["execute"], /missing required argument 'engine'/],
  [["status", "0199", "--include", "everything"], /Allowed are attempts, calls, input/],
  [["keys", "create"], /--name <name>' not specified/],
  [["keys", "create", "--name", "x", "--expires", "never"], /must be a time/],
  [["token", "--sub", "alice", "--expires", "5"], /must be a time/],
  [["exekute"], /unknown command 'exekute'/],
  [["status", "0199", "--plain"], /unknown option '--plain'/],
])("tl %j is a usage error: one line, exit code 2, nothing sent", async ([args, message]) => {
  const run = await tlHere(args);
  expect(run.code).toBe(2);
  expect(run.stdout).toBe("");
  expect(run.stderr.split("\n")[0]).toMatch(message);
  expect(api.requests).toEqual([]);
});

test("a usage error of the real process ends with 2", async () => {
  expect(await tl(["exekute"])).toEqual({
    code: 2,
    stdout: "",
    stderr: "tl: unknown command 'exekute'\n(Did you mean execute?)\n",
  });
});

describe("where the API is, and the key", () => {
  test("nobody there ends with 3, in one line", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    silent.close();
    const url = `http://127.0.0.1:${port}`;
    const run = await tl(["status", "0199", "--json"], { env: { TL_URL: url } });
    expect(run).toMatchObject({ code: 3, stdout: "" });
    expect(run.stderr).toMatch(/^tl: .* can't be reached: .*ECONNREFUSED.*npm start.*TL_URL.*\n$/);
  });

  test("TL_URL and TL_API_KEY win over the data folder, also for keys", async () => {
    secrets({ url: "http://127.0.0.1:9" });
    api.on(status, { status: 200, json: execution() });
    api.on("GET /api/v1/keys", { status: 200, json: { keys: [], next_cursor: null } });
    const env = { TL_URL: `${api.url}/`, TL_API_KEY: "tlk_own" };
    expect((await tl(["status", "0199"], { env })).code).toBe(0);
    expect((await tl(["keys", "list"], { env })).code).toBe(0);
    expect(api.requests.map((r) => r.headers["x-api-key"])).toEqual(["tlk_own", "tlk_own"]);
  });

  test("with both keys set, each is used for what it is for", async () => {
    api.on(status, { status: 200, json: execution() });
    const env = { TL_API_KEY: "tlk_own", TL_PLANE_API_KEY: "the-plane's,the-next" };
    expect((await tl(["status", "0199"], { env })).code).toBe(0);
    expect((await tl(["status", "0199", "--plane"], { env })).code).toBe(0);
    expect(api.requests.map((r) => r.headers["x-api-key"])).toEqual(["tlk_own", "the-plane's"]);
  });

  test("--plane takes tl-plane's key", async () => {
    api.on(status, { status: 200, json: execution() });
    expect((await tl(["status", "0199", "--plane"])).code).toBe(0);
    expect(api.requests[0]?.headers["x-api-key"]).toBe(planeKey);
  });

  test("this machine's keys are not shown to another server", async () => {
    const env = { TL_URL: "https://tl.example.com" };
    const run = await tl(["status", "0199"], { env });
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(/no key for https:\/\/tl\.example\.com: set TL_API_KEY/);
  });

  test.for<[env: Record<string, string>, message: RegExp]>([
    [{ TL_DATA_DIR: "/nowhere" }, /Set TL_URL and TL_API_KEY, or .*npm start/],
    [{ TL_DATA_DIR: "/nowhere", TL_URL: "http://127.0.0.1:9" }, /no key: set TL_API_KEY/],
    [{ TL_URL: "example.com" }, /TL_URL must be an address/],
    [{ TL_URL: "http://user:pw@127.0.0.1:9" }, /TL_URL: .*no user/],
    [{ TL_API_KEY: "ключ" }, /TL_API_KEY holds characters/],
  ])("%j says what to set", async ([env, message]) => {
    const run = await tlHere(["engines"], env);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(message);
  });
});

describe("status, list, cancel", () => {
  test("status of an unfinished one ends with 0, of a canceled one with 1", async () => {
    const wait = { reason: "no_worker", until: null, blocked_by: null };
    api.on(status, { status: 200, json: execution({ wait }) });
    const queued = await tl(["status", "0199", "--include", "attempts,input"]);
    expect(queued.code).toBe(0);
    expect(queued.stdout).toContain("waits     no_worker\n");
    expect(api.requests[0]?.query).toEqual({ include: "attempts,input" });

    api.on(status, { status: 200, json: execution({ status: "canceled", done: true }) });
    expect((await tl(["status", "0199", "--wait"])).code).toBe(1);
    expect(api.requests[1]?.query).toEqual({ wait: "30" });
  });

  test("one whose record has been removed is a refusal that says so", async () => {
    const tombstone = {
      execution_id: "0199",
      status: "succeeded",
      finished_at: "2026-11-24T09:39:02.491Z",
    };
    api.on(status, { status: 410, json: problem("execution_purged", 410, { tombstone }) });
    for (const more of [[], ["--wait"]]) {
      const purged = await tl(["status", "0199", ...more]);
      expect(purged.code).toBe(1);
      expect(purged.stderr).toMatch(/execution_purged, HTTP 410.*TL_RETENTION/);
    }
    const inJson = await tl(["status", "0199", "--json"]);
    expect(JSON.parse(inJson.stderr)).toMatchObject({ code: "execution_purged", tombstone });
  });

  test("an unknown one is a refusal with a hint", async () => {
    api.on(status, { status: 404, json: problem("execution_not_found", 404) });
    const run = await tl(["status", "0199"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/execution_not_found, HTTP 404.*--plane/);
  });

  test("list stops at its limit, over pages", async () => {
    const page = (ids: string[], next: string | null) => ({
      status: 200,
      json: {
        executions: ids.map((id) => execution({ execution_id: id, tags: ["x"] })),
        next_cursor: next,
      },
    });
    api.on("GET /api/v1/executions", page(["a", "b"], "c1"), page(["c", "d"], "c2"));
    const run = await tl(["list", "--limit", "3", "--status", "queued", "--engine", "resize"]);
    expect(run.code).toBe(0);
    expect(run.stdout.split("\n")).toEqual([
      "ID  ENGINE    STATUS  CREATED                   TAGS",
      "a   resize@2  queued  2026-01-01T00:00:00.000Z  x",
      "b   resize@2  queued  2026-01-01T00:00:00.000Z  x",
      "c   resize@2  queued  2026-01-01T00:00:00.000Z  x",
      "",
    ]);
    expect(api.requests[0]?.query).toEqual({ status: "queued", engine: "resize", limit: "3" });
  });

  test("cancel ends with 0 for one that was canceled, with 1 for one that had finished", async () => {
    const route = "POST /api/v1/executions/0199/cancel";
    api.on(route, { status: 200, json: execution({ status: "canceled", done: true }) });
    expect(await tl(["cancel", "0199"])).toMatchObject({ code: 0, stderr: "" });
    api.on(route, { status: 409, json: problem("execution_finished", 409) });
    const late = await tl(["cancel", "0199"]);
    expect(late.code).toBe(1);
    expect(late.stderr).toContain("execution_finished, HTTP 409");
  });
});

describe("calls", () => {
  const call = (over: Record<string, unknown> = {}) => ({
    id: "01c",
    execution_id: "0199",
    engine: "sync",
    attempt: 1,
    dispatch: 1,
    step: "1",
    purpose: "engine",
    protocol: "http",
    connection: "crm",
    method: "GET",
    host: "api.example.com",
    path: "/v1/things",
    status: 503,
    error_code: null,
    started_at: "2026-01-01T00:00:00.000Z",
    duration_ms: 46.2,
    dns_ms: 1.2,
    connect_ms: 2,
    tls_ms: null,
    first_byte_ms: 40,
    bytes_sent: 100,
    bytes_received: 200,
    try: 1,
    breaker_state: "closed",
    idempotency_key: null,
    request_headers: { accept: "*/*" },
    response_headers: null,
    resendable: true,
    resend_of: null,
    ...over,
  });
  const list = "GET /api/v1/outbound-calls";

  test("of an execution are a table, in the order in which they were made", async () => {
    const calls = [call({ id: "01d", try: 2, status: null, error_code: "timeout" }), call()];
    api.on(list, { status: 200, json: { calls, next_cursor: null } });
    const run = await tl(["calls", "0199"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const gap = " ".repeat(36);
    expect(run.stdout.split("\n")).toEqual([
      `ID   TIME                      CONNECTION  METHOD  HOST AND PATH              STATUS  MS${gap}TRY  ERROR`,
      "01c  2026-01-01T00:00:00.000Z  crm         GET     api.example.com/v1/things  503     46 (dns 1, connect 2, first byte 40)  1",
      "01d  2026-01-01T00:00:00.000Z  crm         GET     api.example.com/v1/things  -       46 (dns 1, connect 2, first byte 40)  2    timeout",
      "",
    ]);
    expect(api.requests[0]?.query).toEqual({ execution_id: "0199", limit: "100" });
  });

  test("of all go over short and empty pages, up to the limit", async () => {
    api.on(
      list,
      { status: 200, json: { calls: [], next_cursor: "c1" } },
      { status: 200, json: { calls: [call(), call()], next_cursor: "c2" } },
    );
    const run = await tl([
      "calls",
      "--all",
      "--failed",
      "--connection",
      "crm",
      "--status",
      "5xx",
      "--limit",
      "2",
      "--json",
    ]);
    expect(JSON.parse(run.stdout)).toMatchObject({ calls: [{ id: "01c" }, { id: "01c" }] });
    expect(api.requests.map(({ query }) => query)).toEqual([
      { connection: "crm", status: "5xx", result: "failed", limit: "2" },
      { connection: "crm", status: "5xx", result: "failed", limit: "2", cursor: "c1" },
    ]);
  });

  test("need an execution or --all, and not both", async () => {
    expect(await tl(["calls"])).toMatchObject({ code: 2 });
    expect(await tl(["calls", "0199", "--all"])).toMatchObject({ code: 2 });
  });

  test("one is shown, and sent again under a key of its own", async () => {
    const detail = call({ request_body: "hello", response_body: null });
    api.on("GET /api/v1/outbound-calls/01c", { status: 200, json: detail });
    const shown = await tl(["calls", "show", "01c"]);
    expect(shown.stdout).toContain("request body:\nhello");
    expect(shown.stdout).toContain("resend    tl calls resend 01c");
    api.on("POST /api/v1/outbound-calls/01c/resend", { status: 202, json: accepted() });
    const sent = await tl(["calls", "resend", "01c", "--idempotency-key", "k1"]);
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    expect(api.requests.at(-1)?.headers["idempotency-key"]).toBe("k1");
    const again = problem("not_resendable", 409);
    api.on("POST /api/v1/outbound-calls/01c/resend", { status: 409, json: again });
    expect((await tl(["calls", "resend", "01c"])).stderr).toContain("not_resendable, HTTP 409");
    expect(api.requests.at(-1)?.headers["idempotency-key"]).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("engines", () => {
  test("the list is a table, one engine has its schemas and an example to paste", async () => {
    const summary = {
      id: "echo",
      title: "Echo",
      description: "Gives back what it got.",
      versions: [1, 2],
      state: "active",
    };
    api.on("GET /api/v1/engines", { status: 200, json: { engines: [summary], next_cursor: null } });
    api.on("GET /api/v1/engines/echo", {
      status: 200,
      json: {
        ...summary,
        version: 2,
        input_schema: { type: "object" },
        output_schema: {},
        example: { say: "it's" },
        defaults: {
          timeout: { default: "1m", max: "1h" },
          ttl: { default: "24h", max: "30d" },
          max_attempts: { default: 3, max: 25 },
          backoff: { initial: "1s", factor: 2, max: "5m" },
          concurrency: null,
          isolation: "inline",
        },
      },
    });
    const list = await tl(["engines"]);
    expect(list.stdout).toBe("ID    VERSIONS  STATE   TITLE\necho  1, 2      active  Echo\n");
    const one = await tl(["engines", "echo"]);
    expect(one.stdout).toContain("echo@2  Echo  active\n");
    expect(one.stdout).toContain(String.raw`tl execute echo --wait --input '{"say":"it'\''s"}'`);
    const json = await tl(["engines", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ engines: [summary] });
  });
});

describe("keys", () => {
  const key = {
    id: "k1",
    name: "billing",
    last_four: "wxyz",
    scopes: ["engines:read"],
    engines: null,
    rate_limit: null,
    is_active: true,
    created_at: "2026-01-01T00:00:00.000Z",
    expires_at: null,
    last_used_at: null,
    revoked_at: null,
  };

  test("create calls as tl-plane and gives the key alone on stdout", async () => {
    api.on("POST /api/v1/keys", { status: 201, json: { ...key, key: "tlk_secret" } });
    const run = await tl([
      "keys",
      "create",
      "--name",
      "billing",
      "--scope",
      "engines:read",
      "--scope",
      "engines:execute:echo",
      "--engine",
      "echo",
      "--rate-limit",
      "none",
      "--expires",
      "2027-01-31T00:00:00+01:00",
    ]);
    expect(run.code).toBe(0);
    expect(run.stdout).toBe("tlk_secret\n");
    expect(run.stderr).toMatch(/k1 \(billing\).*shown this once/);
    expect(api.requests[0]?.headers["x-api-key"]).toBe(planeKey);
    expect(api.requests[0]?.json).toEqual({
      name: "billing",
      scopes: ["engines:read", "engines:execute:echo"],
      engines: ["echo"],
      rate_limit: null,
      expires_at: "2027-01-30T23:00:00.000Z",
    });
  });

  test("list, revoke and reroll", async () => {
    api.on("GET /api/v1/keys", { status: 200, json: { keys: [key], next_cursor: null } });
    api.on("DELETE /api/v1/keys/k1", { status: 204 });
    api.on("POST /api/v1/keys/k1/reroll", { status: 201, json: { ...key, key: "tlk_new" } });
    expect((await tl(["keys", "list"])).stdout).toContain(
      "k1  billing  …wxyz    active  none        all      engines:read  never",
    );
    expect(await tl(["keys", "revoke", "k1"])).toMatchObject({
      code: 0,
      stdout: "The key k1 is revoked.\n",
    });
    const reroll = await tl(["keys", "reroll", "k1", "--overlap", "1h", "--json"]);
    expect(JSON.parse(reroll.stdout)).toMatchObject({ id: "k1", key: "tlk_new" });
    expect(api.requests.at(-1)?.json).toEqual({ overlap: "1h" });
  });

  test("a key that may not is told that tl-plane's is needed", async () => {
    api.on("GET /api/v1/keys", { status: 403, json: problem("forbidden", 403) });
    const run = await tl(["keys", "list"], { env: { TL_API_KEY: "tlk_x" } });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/forbidden, HTTP 403.*need tl-plane's key/);
  });
});

describe("token", () => {
  const verify = (token: string, secret: string) =>
    jwtVerify(token.trim(), new TextEncoder().encode(secret), {
      issuer: "tl-engine",
      audience: "tl-engine",
      algorithms: ["HS256"],
    });

  test("signs with the data folder's secret, for an hour, without a scope claim", async () => {
    const run = await tl(["token", "--sub", "alice"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const { payload } = await verify(run.stdout, jwtSecret);
    expect(payload).toMatchObject({ sub: "alice" });
    expect(payload).not.toHaveProperty("scope");
    expect(payload.exp! - payload.iat!).toBe(3600);
    expect(api.requests).toEqual([]);
  });

  test("TL_JWT_SECRET wins, and a scope is a claim, also an empty one", async () => {
    const secret = "another-secret-of-more-than-32-bytes";
    const env = { TL_JWT_SECRET: secret };
    const run = await tl(["token", "--sub", "a", "--scope", "", "--expires", "10m"], { env });
    const { payload } = await verify(run.stdout, secret);
    expect(payload["scope"]).toBe("");
    expect(payload.exp! - payload.iat!).toBe(600);
    const short = await tl(["token", "--sub", "a"], { env: { TL_JWT_SECRET: "short" } });
    expect(short).toMatchObject({ code: 2, stdout: "" });
    expect(short.stderr).toContain("shorter than 32 bytes");
  });
});
