import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  defineContract,
  defineEngine,
  type Engine,
  type HttpClient,
  type InputOf,
  type OutputOf,
} from "./index.ts";

const contract = defineContract({
  id: "greet",
  version: 1,
  input: z.object({ name: z.string(), shout: z.boolean().default(false) }),
  output: z.object({ greeting: z.string() }),
});

test("a contract types callers and its engine", () => {
  const engine = defineEngine({
    ...contract,
    timeout: "5s",
    run: ({ name, shout }) => {
      expectTypeOf(shout).toEqualTypeOf<boolean>();
      return { greeting: shout ? name.toUpperCase() : name };
    },
  });
  expectTypeOf<InputOf<typeof contract>>().toEqualTypeOf<{
    name: string;
    shout?: boolean | undefined;
  }>();
  expectTypeOf<OutputOf<typeof contract>>().toEqualTypeOf<{ greeting: string }>();
  expectTypeOf<InputOf<typeof engine>>().toEqualTypeOf<InputOf<typeof contract>>();
  expectTypeOf<OutputOf<typeof engine>>().toEqualTypeOf<OutputOf<typeof contract>>();
  expect(engine.id).toBe("greet");
});

test("only declared clients are there, for the compiler too", () => {
  const base = { version: 1, input: z.unknown(), output: z.unknown() };
  const without = defineEngine({
    ...base,
    id: "without",
    run: (_input, ctx) => {
      // @ts-expect-error an undeclared client
      void ctx.clients.http;
      return null;
    },
  });
  const withHttp = defineEngine({
    ...base,
    id: "with",
    uses: ["http"],
    run: (_input, ctx) => {
      expectTypeOf(ctx.clients.http()).toEqualTypeOf<HttpClient>();
      return null;
    },
  });
  // @ts-expect-error no such client
  expect(() => defineEngine({ ...base, id: "other", uses: ["ftp"], run: () => null })).toThrow(
    "ftp",
  );
  const list: Engine[] = [without, withHttp];
  expect(list).toHaveLength(2);
});

test("an output of another type does not compile", () => {
  defineEngine({
    ...contract,
    // @ts-expect-error a member is missing
    run: () => ({}),
  });
});
