import { expect, test } from "vitest";
import { z } from "zod";
import { defineContract } from "./define-contract.ts";
import { defineEngine } from "./define-engine.ts";
import { describeEngine } from "./describe-engine.ts";
import { engineInternals } from "./engine.ts";
import { enginesOf } from "./engines-of.ts";
import { EngineDefinitionError } from "./errors.ts";
import { httpUrl } from "./http-url.ts";

const plain = {
  id: "greet",
  version: 1,
  input: z.object({ name: z.string() }),
  output: z.string(),
};
const run = () => "x";

function problemsOf(define: () => unknown): readonly string[] {
  try {
    define();
  } catch (error) {
    if (error instanceof EngineDefinitionError) return error.problems;
    throw error;
  }
  return [];
}
const problemsOfInput = (input: z.ZodType) =>
  problemsOf(() => defineEngine({ ...plain, input, run }));

test("a silent engine gets the documented policy, and schemas in JSON Schema 2020-12", () => {
  const engine = defineEngine({
    ...plain,
    input: z.object({ name: z.string().default("Ada").describe("Who"), url: httpUrl().optional() }),
    example: { name: "Ada" },
    run,
  });
  expect(describeEngine(engine)).toEqual({
    id: "greet",
    version: 1,
    title: "greet",
    description: null,
    input_schema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        name: { type: "string", default: "Ada", description: "Who" },
        url: { type: "string", maxLength: 8192, pattern: expect.any(String) as string },
      },
      additionalProperties: false,
    },
    output_schema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "string",
    },
    example: { name: "Ada" },
    policy: {
      timeout_ms: 60_000,
      timeout_max_ms: 3_600_000,
      ttl_ms: 86_400_000,
      ttl_max_ms: 30 * 86_400_000,
      max_attempts: 3,
      max_attempts_max: 25,
      backoff_initial_ms: 1000,
      backoff_factor: 2,
      backoff_max_ms: 300_000,
      concurrency: null,
      isolation: "inline",
      short_ms: null,
      memory_mib: 256,
      uses: [],
    },
  });
  expect(Object.isFrozen(engine)).toBe(true);
  expect(Object.isFrozen(describeEngine(engine).policy)).toBe(true);
});

test("a policy as written, in milliseconds", () => {
  const { policy } = describeEngine(
    defineEngine({
      ...plain,
      timeout: "2h",
      ttl: { max: "1h" },
      maxAttempts: { default: 1, max: 1 },
      backoff: { initial: "10m" },
      concurrency: 4,
      isolation: "thread",
      short: "5ms",
      memory: 64,
      uses: ["http"],
      run,
    }),
  );
  expect(policy).toEqual({
    timeout_ms: 7_200_000,
    timeout_max_ms: 7_200_000,
    ttl_ms: 3_600_000,
    ttl_max_ms: 3_600_000,
    max_attempts: 1,
    max_attempts_max: 1,
    backoff_initial_ms: 600_000,
    backoff_factor: 2,
    backoff_max_ms: 600_000,
    concurrency: 4,
    isolation: "thread",
    short_ms: 5,
    memory_mib: 64,
    uses: ["http"],
  });
});

test("every wrong member is named at once, with its remedy", () => {
  const wrong = {
    ...plain,
    id: "Greet me",
    version: 0,
    timeout: "5 minutes",
    ttl: "31d",
    maxAttempts: { default: 9, max: 3 },
    backoff: { initial: "1m", max: "1s", jitter: true },
    concurrency: 0,
    isolation: "container",
    short: "2m",
    memory: 1,
    retries: 3,
    example: { nme: "x" },
    run: "x",
  };
  const problems = problemsOf(() => defineEngine(wrong as never));
  const named = ["retries", "id", "version", "example", "timeout", "ttl", "maxAttempts", "backoff.jitter", "backoff.max", "short", "isolation", "memory", "concurrency", "run"]; // oxfmt-ignore
  expect(named.filter((name) => !problems.some((problem) => problem.startsWith(name)))).toEqual([]);
  expect(problems.join("\n")).toMatch(/example: does not fit the input:.*\/nme: Unknown member/);
});

test("a process has room for Node beside the engine", () => {
  const process = { ...plain, isolation: "process", run } as const;
  expect(describeEngine(defineEngine({ ...process, memory: 128 })).policy).toMatchObject({
    isolation: "process",
    memory_mib: 128,
  });
  expect(problemsOf(() => defineEngine({ ...process, memory: 127 }))).toEqual([
    expect.stringContaining("memory: a process needs 128 MiB"),
  ]);
});

test.each(["execute", "status", "metrics", "", "-a", "a/b", "a".repeat(65), "..", "A"])(
  "the id %j is refused",
  (id) => {
    expect(problemsOf(() => defineEngine({ ...plain, id, run }))[0]).toMatch(/^id: /);
  },
);

const unspeakable: [string, z.ZodType][] = [
  ["refine", z.string().refine(() => true)],
  ["superRefine", z.string().superRefine(() => {})],
  ["check", z.string().check(() => {})],
  ["object refine", z.object({}).refine(() => true)],
  ["transform", z.string().transform(Number)],
  ["pipe", z.string().pipe(z.string())],
  ["codec", z.codec(z.string(), z.number(), { decode: Number, encode: String })],
  ["coerce", z.coerce.number()],
  ["coerce string", z.coerce.string()],
  ["coerce boolean", z.coerce.boolean()],
  ["preprocess", z.preprocess((x) => x, z.string())],
  ["stringbool", z.stringbool()],
  ["trim", z.string().trim()],
  ["toLowerCase", z.string().toLowerCase()],
  ["normalize", z.string().normalize()],
  ["overwrite", z.number().overwrite((x) => x)],
  ["date", z.date()],
  ["bigint", z.bigint()],
  ["map", z.map(z.string(), z.string())],
  ["set", z.set(z.string())],
  ["symbol", z.symbol()],
  ["undefined", z.undefined()],
  ["void", z.void()],
  ["nan", z.nan()],
  ["function", z.unknown().and(z.instanceof(Function))],
  ["custom", z.custom<string>()],
  ["instanceof", z.instanceof(Uint8Array)],
  ["promise", z.promise(z.string())],
  ["file", z.file()],
  ["catch", z.string().catch("x")],
  ["intersection", z.object({ a: z.string() }).and(z.object({ b: z.string() }))],
  ["url", z.url()],
  ["base64", z.base64()],
  ["jwt", z.jwt()],
  ["stringFormat by function", z.stringFormat("even", (text) => text.length % 2 === 0)],
  ["regex flags", z.string().regex(/a/i)],
  ["regex without u form", z.string().regex(/a{/)],
  ["fractional multipleOf", z.number().multipleOf(0.1)],
  ["infinite bound", z.number().min(-Infinity)],
  ["literal undefined", z.literal([undefined, "a"])],
  ["literal bigint", z.literal(1n)],
  ["numeric record keys", z.record(z.number(), z.string())],
  ["loose record", z.looseRecord(z.string(), z.string())],
  ["inherited member", z.object({ toString: z.string() })],
  ["meta that judges", z.string().meta({ pattern: "^a" })],
  ["a default that is no JSON", z.unknown().default(() => 1n)],
  ["a default of another type", z.object({ a: z.string().min(3) }).default({ a: "x" })],
  ["property", z.array(z.string()).check(z.property("length", z.literal(2)))],
];

test.each(unspeakable)("%s is refused at the top and inside, with path and remedy", (_, schema) => {
  expect(problemsOfInput(schema)).toHaveLength(1);
  expect(problemsOfInput(schema)[0]).toMatch(/^input(\/[^:]*)?: .*: ./s);
  const inside = z.object({ list: z.array(z.nullable(z.object({ "a/b": schema }))) });
  expect(problemsOfInput(inside)[0]).toMatch(/^input\/list\/items\/a~1b/);
  for (const wrapped of [
    z.lazy(() => schema).optional(),
    z.union([z.null(), schema]),
    z.tuple([z.null()], schema),
    z.record(z.string(), schema),
    z.looseObject({ a: schema }),
    z.object({}).catchall(schema),
    z.readonly(z.prefault(z.nullable(schema), null)),
  ]) {
    expect(problemsOfInput(wrapped).length).toBeGreaterThan(0);
  }
});

test("output is checked like input, and a lazy schema without end is refused", () => {
  expect(
    problemsOf(() => defineEngine({ ...plain, output: z.date(), run: () => new Date() }))[0],
  ).toMatch(/^output: z.date/);
  const endless = (): z.ZodType => z.lazy(() => z.array(endless()));
  expect(problemsOfInput(endless())[0]).toMatch(/deeper than 100/);
  expect(problemsOf(() => defineEngine({ ...plain, input: {} as never, run }))[0]).toMatch(
    /^input: /,
  );
});

test("an author's own message reaches callers", () => {
  const engine = defineEngine({
    ...plain,
    input: z.object({ name: z.string("who?").min(2, "too short a name") }),
    run,
  });
  const messages = [1, "x"].map((name) => {
    const parsed = engine[engineInternals].parseInput({ name });
    return parsed.ok ? null : parsed.issues[0];
  });
  expect(messages).toEqual([
    { pointer: "/name", message: "who?" },
    { pointer: "/name", message: "too short a name" },
  ]);
});

test("a contract holds only what callers need", () => {
  const contract = defineContract(plain);
  expect(Object.isFrozen(contract)).toBe(true);
  expect(defineEngine({ ...contract, run }).id).toBe("greet");
  expect(problemsOf(() => defineContract({ ...plain, timeout: "5s" } as never))[0]).toMatch(
    /^timeout: not part of a contract/,
  );
});

test("a module offers one engine or several", () => {
  const one = defineEngine({ ...plain, run });
  const two = defineEngine({ ...plain, version: 2, run });
  expect(enginesOf({ default: one }, "x.ts")).toEqual([one]);
  expect(enginesOf({ default: [one, two] }, "x.ts")).toEqual([one, two]);
  expect(enginesOf({ default: { default: one } }, "x.cjs")).toEqual([one]);
  expect(problemsOf(() => enginesOf({ engine: one }, "x.ts"))).toEqual([
    expect.stringMatching(/no default export/),
  ]);
  expect(problemsOf(() => enginesOf({ default: [] }, "x.ts"))).toHaveLength(1);
  expect(problemsOf(() => enginesOf({ default: plain }, "x.ts"))[0]).toMatch(/is no engine/);
  expect(problemsOf(() => enginesOf({ default: [one, one] }, "x.ts"))[0]).toMatch(
    /greet@1 is there twice/,
  );
  expect(() => enginesOf(undefined, "somewhere.ts")).toThrow("somewhere.ts");
});
