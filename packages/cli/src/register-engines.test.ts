import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  problem,
  startScriptedServer,
  type ScriptedServer,
} from "@tl-engine/client/scripted-server";
import { afterEach, beforeEach, expect, test } from "vitest";
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

async function tl(...args: string[]) {
  let [stdout, stderr] = ["", ""];
  const code = await runCli(args, {
    env: { TL_URL: api.url, TL_API_KEY: "plane-key-0123456789-0123456789-01", TL_DATA_DIR: folder },
    stdout: { write: (text: string) => ((stdout += text), true), isTTY: false },
    stderr: { write: (text: string) => ((stderr += text), true), isTTY: false },
    stdin: Readable.from([]),
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
const yaml = `
id: resize
version: 2
connection: gpu
path: /resize
policy: { timeout: 30s, max_attempts: 5 }
input_schema:
  type: object
  properties: { width: { type: integer } }
output_schema: {}
`;
const definition = {
  id: "resize",
  version: 2,
  connection: "gpu",
  path: "/resize",
  policy: { timeout: "30s", max_attempts: 5 },
  input_schema: { type: "object", properties: { width: { type: "integer" } } },
  output_schema: {},
};
const engine = { id: "resize", version: 2 };

test("a definition in YAML is registered, and one in JSON too", async () => {
  api.on("POST /api/v1/engines", { status: 201, json: engine });
  for (const path of [file("a.yaml", yaml), file("a.json", JSON.stringify(definition))]) {
    const { code, stdout } = await tl("engines", "register", path);
    expect([code, stdout]).toEqual([0, expect.stringContaining("Registered resize@2")]);
    expect(api.requests.at(-1)?.json).toEqual(definition);
  }
});

test("several documents are several engines", async () => {
  api.on("POST /api/v1/engines", { status: 201, json: engine });
  const path = file("a.yaml", `${yaml}---${yaml.replace("version: 2", "version: 3")}`);
  expect((await tl("engines", "register", path, "--json")).code).toBe(0);
  expect(api.requests.map(({ json }) => (json as { version: number }).version)).toEqual([2, 3]);
});

test("one that is registered is changed", async () => {
  api.on("POST /api/v1/engines", {
    status: 409,
    json: problem("engine_exists", 409),
  });
  api.on("PATCH /api/v1/engines/resize@2", { status: 200, json: engine });
  const { code, stdout } = await tl("engines", "register", file("a.yaml", yaml));
  expect([code, stdout]).toEqual([0, expect.stringContaining("Changed resize@2")]);
  const { id: _, version: __, ...changes } = definition;
  expect(api.requests.at(-1)?.json).toEqual(changes);
});

test("an id that workers have stays theirs", async () => {
  api.on("POST /api/v1/engines", {
    status: 409,
    json: problem("engine_exists", 409),
  });
  api.on("PATCH /api/v1/engines/resize@2", {
    status: 404,
    json: problem("engine_not_found", 404),
  });
  const { code, stderr } = await tl("engines", "register", file("a.yaml", yaml));
  expect(code).toBe(1);
  expect(stderr).toContain("engine_exists");
});

test.each([
  ["no file", () => "nothing.yaml", "there is no file"],
  ["broken YAML", () => file("b.yaml", "id: [1"), "b.yaml"],
  ["no definition", () => file("c.yaml", "- 1"), "a definition is an object"],
  ["nothing at all", () => file("d.yaml", ""), "no definition"],
])("%s is wrong usage", async (_what, path, said) => {
  const { code, stderr } = await tl("engines", "register", path());
  expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
  expect(api.requests).toEqual([]);
});

test("one is unregistered, and engines are shown as before", async () => {
  api.on("DELETE /api/v1/engines/resize@2", { status: 204 });
  expect((await tl("engines", "unregister", "resize@2")).stdout).toContain("Unregistered resize@2");
  api.on("GET /api/v1/engines", { status: 200, json: { engines: [], next_cursor: null } });
  expect((await tl("engines")).code).toBe(0);
  expect(api.requests.at(-1)?.path).toMatch(/^\/api\/v1\/engines(\?|$)/);
});
