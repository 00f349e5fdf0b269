import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tl-engine-kit-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("an engine's file outside of any project finds the kit and zod", async () => {
  const file = path.join(folder, "greet.ts");
  await writeFile(
    file,
    `import { defineEngine, type EngineContext } from "@tl-engine/engine-kit";
import { z } from "zod";
export default defineEngine({
  id: "greet",
  version: 1,
  input: z.string(),
  output: z.string(),
  run: (name: string, ctx: EngineContext): string => name + ctx.attempt,
});
`,
  );
  const host = `
import { offerKitToModules } from ${JSON.stringify(import.meta.resolve("./offer-kit.ts"))};
import { runEngine } from ${JSON.stringify(import.meta.resolve("../testing.ts"))};
const stop = offerKitToModules();
const { default: engine } = await import(${JSON.stringify(pathToFileURL(file).href)});
console.log(await runEngine(engine, "Ada"));
await import("@tl-engine/no-such-package").catch((error) => console.log(error.code));
stop();
await import(${JSON.stringify(`${pathToFileURL(file).href}?again`)}).catch((error) => console.log(error.code));
`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", host], {
    cwd: folder,
  });
  expect(stdout.split("\n")).toEqual(["Ada1", "ERR_MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND", ""]);
});
