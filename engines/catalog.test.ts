import { existsSync, readdirSync } from "node:fs";
import { describeEngine, enginesOf } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import { builtInEngineModules } from "./catalog.ts";

const engines = await Promise.all(
  builtInEngineModules.map(async (url) => enginesOf(await import(url), url)),
).then((lists) => lists.flat());

test("every folder with an engine is in the catalogue", () => {
  const folders = readdirSync(new URL(".", import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => new URL(`${name}/engine.ts`, import.meta.url))
    .filter((file) => existsSync(file))
    .map(({ href }) => href);
  expect([...builtInEngineModules]).toEqual(folders.toSorted());
});

test("each is described for callers: title, description, an example that its input accepts", () => {
  const descriptors = engines.map(describeEngine);
  expect(new Set(descriptors.map(({ id }) => id)).size).toBe(engines.length);
  const bare = descriptors.filter(
    ({ id, title, description, example }) =>
      title === id || description === null || example === null,
  );
  expect(bare.map(({ id }) => id)).toEqual([]);
});

test("examples run, where nothing outside is needed", async () => {
  const alone = engines.filter((engine) => describeEngine(engine).policy.uses.length === 0);
  for (const engine of alone) {
    // oxlint-disable-next-line no-await-in-loop
    await runEngine(engine, describeEngine(engine).example);
  }
  expect(alone.length).toBeGreaterThan(0);
});
