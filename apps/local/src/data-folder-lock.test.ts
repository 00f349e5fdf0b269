import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDataFolder } from "./data-folder-lock.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "tl-engine-lock-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** Another process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcess> {
  const source = `
    const { lockDataFolder } = await import(${JSON.stringify(import.meta.resolve("./data-folder-lock.ts"))});
    // A lock that nobody refers to may be collected, and is free then.
    globalThis.lock = lockDataFolder(${JSON.stringify(dataDir)});
    setInterval(() => {}, 1000);
    process.send("locked");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(child, "message");
  return child;
}

test("a second process is refused and told who is there; kill -9 of the first frees the folder", async () => {
  const first = await holder();
  expect(() => lockDataFolder(dataDir)).toThrow(
    new RegExp(`in use by another tl-engine \\(process ${first.pid}\\).*TL_DATA_DIR`),
  );
  const gone = once(first, "exit");
  first.kill("SIGKILL");
  await gone;
  lockDataFolder(dataDir).release();
});

test("the same process is refused too, until it lets go", () => {
  const lock = lockDataFolder(dataDir);
  expect(() => lockDataFolder(dataDir)).toThrow(/in use/);
  lock.release();
  lock.release();
  lockDataFolder(dataDir).release();
});

test("what is no folder is refused with a sentence that names it and the way out", () => {
  const file = join(dataDir, "file");
  writeFileSync(file, "");
  for (const path of [file, join(file, "below")]) {
    expect(() => lockDataFolder(path)).toThrow(
      new RegExp(`^The data folder ${path} can't be used: .*TL_DATA_DIR`),
    );
  }
});
