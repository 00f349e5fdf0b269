import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkArrows, importsOf } from "./check-arrows.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tl-engine-arrows-"));
  workspace("packages/contract", "@tl-engine/contract", ["zod", "uuid"]);
  workspace("packages/outbound", "@tl-engine/outbound", []);
  workspace("packages/shared", "@tl-engine/shared", ["@tl-engine/contract", "@tl-engine/outbound"]);
  workspace("packages/engine-kit", "@tl-engine/engine-kit", ["@tl-engine/outbound"]);
  workspace("engines", "@tl-engine/engines", ["@tl-engine/engine-kit"]);
  workspace("apps/api", "@tl-engine/api", ["@tl-engine/shared"]);
  workspace("apps/worker", "@tl-engine/worker", ["@tl-engine/engines"]);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

function workspace(folder: string, name: string, dependencies: string[]): void {
  write(
    `${folder}/package.json`,
    JSON.stringify({
      name,
      dependencies: Object.fromEntries(dependencies.map((it) => [it, "1.0.0"])),
    }),
  );
}

test("arrows that the design has are silent", () => {
  write(
    "apps/api/src/a.ts",
    'import { x } from "@tl-engine/shared/db/x.ts";\nimport fs from "node:fs";\n',
  );
  write(
    "packages/shared/src/a.ts",
    'import type { CallLog } from "@tl-engine/outbound";\nimport "./b.ts";\n',
  );
  write("engines/echo/engine.ts", 'import { defineEngine } from "@tl-engine/engine-kit";\n');
  write("engines/echo/engine.test.ts", 'import { freshDatabase } from "../../test/services.ts";\n');
  write("apps/worker/src/host/a.ts", 'import engines from "@tl-engine/engines";\n');
  expect(checkArrows(root)).toEqual([]);
});

test("a new workspace is asked for its arrows", () => {
  workspace("apps/console", "@tl-engine/console", []);
  expect(checkArrows(root)).toEqual([expect.stringContaining("apps/console has no arrows yet")]);
});

test.each([
  [
    "engines/echo/engine.ts",
    'import { x } from "@tl-engine/shared/db/x.ts";',
    "may not lean on packages/shared",
  ],
  ["apps/api/src/a.ts", 'const x = await import("@tl-engine/engines");', "may not lean on engines"],
  [
    "packages/shared/src/a.ts",
    'import { type CallLog } from "@tl-engine/outbound";',
    "may use only types",
  ],
  ["packages/contract/src/a.ts", 'import { v7 } from "uuid";', "may use zod and nothing else"],
  [
    "packages/contract/src/a.ts",
    'export * from "@tl-engine/shared/a.ts";',
    "(only on nothing of ours)",
  ],
  [
    "apps/api/src/a.ts",
    'import {\n  x,\n} from "../../../packages/shared/src/x.ts";',
    "import another package by its name",
  ],
  [
    "apps/worker/src/a.ts",
    'import engines from "@tl-engine/engines";',
    "Only apps/worker/src/host/",
  ],
  [
    "apps/api/src/a.ts",
    'import { Hono } from "hono";',
    '"hono" is not among the dependencies of apps/api',
  ],
])("%s: %s", (file, source, sentence) => {
  write(file, `// first line\n${source}\n`);
  expect(checkArrows(root)).toEqual([expect.stringMatching(`^${file}:2: .*`)]);
  expect(checkArrows(root)[0]).toContain(sentence);
});

test("examples in comments don't count, re-exports and bare imports do", () => {
  const source = `/**
 * import { x } from "nowhere";
 */
// import "nowhere";
import "bare";
export { y } from "re-exported";
export type { Z } from "typed";
`;
  expect(importsOf(source)).toEqual([
    { from: "bare", typeOnly: false, line: 5 },
    { from: "re-exported", typeOnly: false, line: 6 },
    { from: "typed", typeOnly: true, line: 7 },
  ]);
});
