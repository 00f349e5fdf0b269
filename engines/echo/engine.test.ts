import { runEngine } from "@tl-engine/engine-kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import echo from "./engine.ts";

test("any JSON comes back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const plain = JSON.parse(JSON.stringify(value)) as unknown;
      expect(await runEngine(echo, plain)).toEqual(plain);
    }),
  );
});
