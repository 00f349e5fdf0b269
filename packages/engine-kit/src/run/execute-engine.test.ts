import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { defineEngine } from "../define-engine.ts";
import { createRecorder, runEngine } from "../testing.ts";
import { TerminalError } from "../errors.ts";
import { createContext } from "./context.ts";
import { executeEngine, writeOutput } from "./execute-engine.ts";

const any = { version: 1, input: z.unknown(), output: z.unknown() };
const echo = defineEngine({ ...any, id: "echo", run: (input) => input });
const returning = (make: () => unknown) =>
  defineEngine({ ...any, id: "returning", run: () => make() });

const ctx = createContext(echo, {
  executionId: "e",
  attempt: 1,
  signal: new AbortController().signal,
  clients: {},
  log: () => {},
  progress: () => {},
});
const limit = 8 * 1024 * 1024;

async function failureOf(promise: Promise<unknown>): Promise<TerminalError> {
  const error: unknown = await promise.then(
    (value) => new Error(`no failure, but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof TerminalError) return error;
  throw error;
}

test("defaults are filled in, unknown members refused, on both sides", async () => {
  const engine = defineEngine({
    id: "greet",
    version: 1,
    input: z.object({ name: z.string().default("Ada") }),
    output: z.object({ greeting: z.string(), loud: z.boolean().default(false) }),
    run: ({ name }) => ({ greeting: `Hello, ${name}!` }),
  });
  await expect(executeEngine(engine, "{}", ctx, limit)).resolves.toEqual({
    outputText: '{"greeting":"Hello, Ada!","loud":false}',
  });
  const wrong = await failureOf(executeEngine(engine, '{"nme":1,"name":2}', ctx, limit));
  expect(wrong).toMatchObject({ code: "input_invalid", retryable: false });
  expect(wrong.message).toMatch(/\/name: .*\/nme: Unknown member/);
  expect((await failureOf(executeEngine(engine, "{", ctx, limit))).code).toBe("input_invalid");
});

const circular: unknown[] = [];
circular.push({ again: circular });
let deep: unknown = null;
for (let i = 0; i < 10_000; i += 1) deep = { deep };
let wide: unknown = "leaf";
for (let i = 0; i < 40; i += 1) wide = [wide, wide, wide];
const endless = (): object => ({
  get next() {
    return endless();
  },
});

const unkeepable: [string, () => unknown, string, RegExp][] = [
  ["NUL", () => ({ a: ["x\0"] }), "output_invalid", /\/a\/0 .*NUL/],
  ["NUL in a name", () => ({ "x\0": 1 }), "output_invalid", /NUL/],
  ["a lone surrogate", () => "\ud800", "output_invalid", /surrogate/],
  ["a cycle", () => circular, "output_invalid", /\/0\/again refers to itself/],
  ["BigInt", () => ({ n: 1n }), "output_invalid", /\/n is a BigInt/],
  ["a function", () => ({ f: () => {} }), "output_invalid", /\/f is a function/],
  ["a symbol", () => [Symbol("s")], "output_invalid", /\/0 is a symbol/],
  ["NaN", () => ({ x: Number.NaN }), "output_invalid", /\/x is NaN/],
  ["Infinity", () => -Infinity, "output_invalid", /-Infinity/],
  ["nothing", () => undefined, "output_invalid", /undefined/],
  ["a hole", () => [1, undefined], "output_invalid", /\/1 is undefined/],
  ["an endless sparse array", () => Array.from({ length: 0 }).concat(new Array(2 ** 31)), "output_invalid", /\/0 is undefined/],
  ["20 MiB", () => "m".repeat(20 << 20), "output_too_large", /8388608 bytes/],
  ["20 MiB of short texts", () => Array.from({ length: 2 << 20 }, () => "0123456789"), "output_too_large", /larger/],
  ["3^40 values in few objects", () => wide, "output_too_large", /larger/],
  ["8 MiB once escaped", () => "\n".repeat(6 << 20), "output_too_large", /larger/],
  ["depth 10,000", () => deep, "output_invalid", /deeper than 256/],
  ["depth without end", endless, "output_invalid", /deeper than 256/],
  ["a getter that throws", () => ({ get a() { throw new Error("no"); } }), "output_invalid", /\/a throws when read/],
  ["a revoked proxy", () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return { proxy }; }, "output_invalid", /\/proxy throws/],
  ["a Date", () => ({ at: new Date() }), "output_invalid", /\/at is a Date/],
  ["a Map", () => new Map(), "output_invalid", /is a Map/],
  ["a Buffer", () => Buffer.from("x"), "output_invalid", /is a Buffer/],
  ["a toJSON", () => ({ toJSON: () => 1 }), "output_invalid", /\/toJSON is a function/],
]; // oxfmt-ignore

test.each(unkeepable)("%s as output ends with a clear reason", async (_, make, code, message) => {
  const error = await failureOf(executeEngine(returning(make), "null", ctx, limit));
  expect(error.code).toBe(code);
  expect(error.retryable).toBe(false);
  expect(error.message).toMatch(message);
  expect(error.message.isWellFormed()).toBe(true);
});

test("members that are undefined count as absent; null prototypes and other realms are fine", async () => {
  const bare = Object.assign(Object.create(null) as object, { a: undefined, b: [{}] });
  expect(
    (
      await executeEngine(
        returning(() => bare),
        "null",
        ctx,
        limit,
      )
    ).outputText,
  ).toBe('{"b":[{}]}');
});

test("what run throws comes out as it is, thrown or rejected", async () => {
  for (const run of [
    () => {
      // oxlint-disable-next-line typescript/only-throw-error -- engines may
      throw null;
    },
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- engines may
    () => Promise.reject(null),
  ]) {
    const engine = defineEngine({ ...any, id: "throws", run });
    await expect(executeEngine(engine, "1", ctx, limit)).rejects.toBeNull();
  }
});

test("any JSON comes back as it went in", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ stringUnit: "grapheme" }), async (value) => {
      const text = JSON.stringify(value);
      const { outputText } = await executeEngine(echo, text, ctx, limit);
      expect(outputText).toBe(text);
    }),
  );
});

test("any output is either JSON that says the same, or a clear error", () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withSparseArray: true,
        withTypedArray: true,
        withNullPrototype: true,
        stringUnit: "binary",
      }),
      (value) => {
        let text: string;
        try {
          text = writeOutput(echo, value, 1000);
        } catch (error) {
          expect(error).toBeInstanceOf(TerminalError);
          expect((error as TerminalError).code).toMatch(/^output_/);
          return;
        }
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1000);
        expect(JSON.stringify(value)).toBe(text);
      },
    ),
    { numRuns: 500 },
  );
});

test("the context: bounded logs, progress within 0 and 1, steady keys, no undeclared client", async () => {
  const recorder = createRecorder();
  const engine = defineEngine({
    ...any,
    id: "talks",
    run: (_input, context) => {
      context.log.info("a\0b", { cause: new Error("why"), big: 1n, text: "x".repeat(100_000) });
      context.log.warn("short", { cause: new Error("why"), big: 1n });
      context.log.debug(7 as never);
      context.progress(3, "p".repeat(2000));
      context.progress(Number.NaN);
      expect(Object.keys(context.clients)).toEqual([]);
      expect(context.idempotencyKey("charge")).toBe(`${context.executionId}/charge`);
      const odd = context.idempotencyKey("é\n".repeat(1000));
      expect(odd).toMatch(/^[\x21-\x7e]{1,100}$/);
      expect(context.idempotencyKey("é\n".repeat(1000))).toBe(odd);
      expect(Object.isFrozen(context)).toBe(true);
      return [context.attempt, context.signal.aborted];
    },
  });
  const signal = AbortSignal.abort();
  expect(await runEngine(engine, null, { recorder, attempt: 2, signal })).toEqual([2, true]);
  expect(recorder.logs).toEqual([
    { level: "info", message: "a\ufffdb", fields: { fields: "left out: too large, or no JSON" } },
    { level: "warn", message: "short", fields: { cause: "why", big: "1" } },
    { level: "debug", message: "7", fields: {} },
  ]);
  expect(recorder.progress.map(({ fraction }) => fraction)).toEqual([1, 0]);
  expect(recorder.progress[0]?.message).toHaveLength(498);
});

test("a declared client is the host's own; without one the run is refused", async () => {
  const engine = defineEngine({
    ...any,
    id: "calls",
    uses: ["http"],
    run: async (_input, { clients }) => (await clients.http().request("http://x/")).status,
  });
  await expect(runEngine(engine, null)).rejects.toThrow("client http");
  const response = { status: 204 } as never;
  const http = () => ({ request: () => Promise.resolve(response) });
  expect(await runEngine(engine, null, { clients: { http } })).toBe(204);
});
