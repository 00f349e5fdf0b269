import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchSources } from "./watch-sources.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tl-engine-watch-"));
  for (const folder of ["apps/api/src", "engines/node_modules/x", "outside"])
    mkdirSync(join(root, folder), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("tells of a source below the folders and beside an engine's file, and of nothing else", async () => {
  const engine = join(root, "outside", "mine.ts");
  writeFileSync(engine, "");
  let hear: (file: string) => void = () => undefined;
  const heard: string[] = [];
  const watcher = watchSources(root, [engine, "@acme/engines"], (file) => {
    heard.push(file);
    hear(file);
  });
  const next = (): Promise<string> => new Promise((resolve) => (hear = resolve));

  const source = join(root, "apps/api/src/app.ts");
  const first = next();
  writeFileSync(join(root, "engines/node_modules/x/index.ts"), "");
  writeFileSync(join(root, "apps/api/src/app.test.ts"), "");
  writeFileSync(join(root, "apps/api/src/notes.md"), "");
  writeFileSync(source, "1");
  writeFileSync(source, "2");
  expect(await first).toBe(source);

  const second = next();
  writeFileSync(engine, "1");
  expect(await second).toBe(engine);
  expect(heard).toEqual([source, engine]);
  watcher.close();
});
