import { defineContract } from "@tl-engine/engine-kit";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  createClient,
  type Accepted,
  type Execution,
  type InputOf,
  type OutputOf,
} from "./index.ts";
import { accepted, startScriptedServer } from "./scripted-server.ts";

const resize = {
  id: "resize",
  version: 2,
  input: z.strictObject({ url: z.string(), width: z.int().default(100) }),
  output: z.object({ bytes: z.int(), note: z.string().default("") }),
} as const;

test("an engine's contract types its input and output, and pins its version", async () => {
  expectTypeOf<InputOf<typeof resize>>().toEqualTypeOf<{
    url: string;
    width?: number | undefined;
  }>();
  expectTypeOf<OutputOf<typeof resize>>().toEqualTypeOf<{ bytes: number; note: string }>();
  expectTypeOf<InputOf<"resize">>().toBeUnknown();

  const api = await startScriptedServer();
  const client = createClient({ baseUrl: api.url, apiKey: "tlk_x" });
  api.on("POST /api/v1/engines/resize@2/execute", { status: 202, json: accepted() });
  const receipt = await client.execute(resize, { url: "https://example.com" });
  expect(api.requests[0]?.path).toBe("/api/v1/engines/resize@2/execute");
  await api.close();

  expectTypeOf(receipt).toEqualTypeOf<Accepted | Execution<{ bytes: number; note: string }>>();
  expectTypeOf(client.run<typeof resize>).returns.resolves.toEqualTypeOf<{
    bytes: number;
    note: string;
  }>();
  expectTypeOf(client.run<string>).returns.resolves.toBeUnknown();
  expectTypeOf(client.wait<number>).returns.resolves.toEqualTypeOf<Execution<number>>();
  // @ts-expect-error: no such member
  void (() => client.run(resize, { url: "https://example.com", height: 1 }));
  // @ts-expect-error: a member is missing
  void (() => client.execute(resize, {}));
});

test("what engine-kit's defineContract makes is such a contract", () => {
  const contract = defineContract({ ...resize, title: "Resize" });
  expectTypeOf<InputOf<typeof contract>>().toEqualTypeOf<InputOf<typeof resize>>();
  expectTypeOf<OutputOf<typeof contract>>().toEqualTypeOf<OutputOf<typeof resize>>();
  expect(contract).toMatchObject({ id: "resize", version: 2 });
});
