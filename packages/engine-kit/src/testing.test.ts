import { expect, test } from "vitest";
import { defineEngine, z } from "./index.ts";
import { runEngine } from "./testing.ts";

test("an engine whose client was not handed in says where it belongs", async () => {
  const engine = defineEngine({
    id: "fetch",
    version: 1,
    input: z.object({}),
    output: z.object({}),
    uses: ["http"],
    run: () => ({}),
  });
  await expect(runEngine(engine, {})).rejects.toThrow(/uses the client http.*runEngine.*`clients`/);
});
