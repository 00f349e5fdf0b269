import { Readable } from "node:stream";
import {
  accepted,
  execution,
  startScriptedServer,
  succeeded,
} from "@tl-engine/client/scripted-server";
import { expect, test } from "vitest";
import { runCli } from "./run-cli.ts";
import { createTerminal, printable, type OutputStream } from "./terminal.ts";
import { formatTable } from "./table.ts";

function stream(isTTY: boolean): OutputStream & { text: string } {
  return {
    isTTY,
    columns: 60,
    text: "",
    write(text: string) {
      this.text += text;
    },
  };
}

async function watch(env: Record<string, string>, args: string[]) {
  const api = await startScriptedServer();
  const progress = { fraction: 0.4, message: "page 4", updated_at: "2026-01-01T00:00:00.000Z" };
  api.on("POST /api/v1/engines/resize/execute", { status: 202, json: accepted() });
  api.on(
    "GET /api/v1/executions/0199",
    { status: 200, headers: { etag: '"a"' }, json: execution({ status: "running", progress }) },
    { status: 200, headers: { etag: '"b"' }, json: succeeded({ ok: true }) },
  );
  const stdout = stream(true);
  const stderr = stream(true);
  const code = await runCli(["execute", "resize", "--input", "{}", "--wait", ...args], {
    env: { TL_URL: api.url, TL_API_KEY: "tlk_x", ...env },
    stdout,
    stderr,
    stdin: Readable.from([]),
    signal: new AbortController().signal,
  });
  await api.close();
  return { code, stdout: stdout.text, stderr: stderr.text };
}

test("on a terminal there are colours and a progress line that goes away", async () => {
  const { code, stdout, stderr } = await watch({}, []);
  expect(code).toBe(0);
  expect(stdout).toContain("\u001b[32msucceeded\u001b[39m");
  expect(stderr).toContain("\r\u001b[2K0199  running  40 % page 4  0 s");
  expect(stderr.endsWith("\r\u001b[2K")).toBe(true);
});

test.for([{ NO_COLOR: "1" }, { TERM: "dumb" }])("%j takes the colours away", async (env) => {
  expect((await watch(env, [])).stdout).not.toContain("\u001b");
});

test("--json is plain on a terminal too", async () => {
  const { stdout, stderr } = await watch({}, ["--json"]);
  expect(JSON.parse(stdout)).toEqual(succeeded({ ok: true }));
  expect(stderr).toBe("");
});

test("away from a terminal a progress line is never written", () => {
  const stderr = stream(false);
  const terminal = createTerminal(stream(false), stderr, true);
  terminal.progress("0199  running");
  terminal.progress(null);
  expect(stderr.text).toBe("");
  expect(terminal.paint("red", "x")).toBe("x");
});

test("what others wrote can't move the cursor or turn the text around", () => {
  expect(printable("a\u001b[2Jb\u009bc\rd\u202ee\tf\ng")).toBe(
    "a\ufffd[2Jb\ufffdc\ufffdd\ufffde\tf\ng",
  );
});

test("a table's columns are as wide as their widest cell; a cell is one line", () => {
  expect(
    formatTable([
      ["A", "B", "C"],
      ["long", "x\ny", ""],
      ["s", { text: "bold", paint: (text) => `<${text}>` }, "z"],
    ]),
  ).toBe("A     B     C\nlong  x y\ns     <bold>  z");
});
