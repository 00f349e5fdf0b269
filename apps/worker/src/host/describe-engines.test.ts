import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineModules } from "../engine-modules.ts";
import { describeEngines } from "./describe-engines.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tl-engines-"));
});
afterAll(() => rm(folder, { recursive: true }));

const broken = (name: string) => [
  { url: new URL(`../testing/broken/${name}.ts`, import.meta.url).href, source: `./${name}.ts` },
];
const options = { resolveFrom: import.meta.url, env: {} };

test.each([
  ["no-engine", "./no-engine.ts"],
  ["throws", "this module needs something that is not there"],
  ["exits", "code 7"],
  ["missing", "./missing.ts"],
])("a module that cannot be served is named with its reason: %s", async (name, words) => {
  const described = describeEngines(broken(name), options);
  await expect(described).rejects.toThrow(words);
  await expect(described).rejects.toThrow(`The engines of ./${name}.ts cannot be loaded`);
});

test("a module that hangs is named", async () => {
  const described = describeEngines(broken("hangs"), { ...options, limitMs: 3_000 });
  await expect(described).rejects.toThrow("./hangs.ts cannot be loaded: they took longer than 3 s");
});

const engine = (id: string) => `import { defineEngine } from "@tl-engine/engine-kit";
import { z } from "zod";
const empty = z.strictObject({});
export default defineEngine({ id: "${id}", version: 1, input: empty, output: empty, run: () => ({}) });
`;

test("takes a file outside the repository and an installed package, which have none of our packages", async () => {
  await writeFile(join(folder, "mine.ts"), engine("mine"));
  const installed = join(folder, "node_modules", "@acme", "engines");
  await mkdir(installed, { recursive: true });
  const exports = { ".": { import: "./main.js" } };
  await writeFile(join(installed, "package.json"), JSON.stringify({ type: "module", exports }));
  await writeFile(join(installed, "main.js"), engine("theirs"));

  const modules = engineModules(["./mine.ts", "@acme/engines"], folder);
  const resolveFrom = pathToFileURL(`${folder}/`).href;
  const found = await describeEngines(modules, { resolveFrom, env: {} });
  expect(found.map(({ descriptor, module }) => [descriptor.id, module.source])).toEqual([
    ["mine", "./mine.ts"],
    ["theirs", "@acme/engines"],
  ]);
});

test("an engine version that two modules offer stops the start", async () => {
  await writeFile(join(folder, "one.ts"), engine("same"));
  await writeFile(join(folder, "two.ts"), engine("same"));
  const described = describeEngines(engineModules(["./one.ts", "two.ts"], folder), options);
  await expect(described).rejects.toThrow("same@1 is offered by ./one.ts and by two.ts");
});
