import { TerminalError } from "@tl-engine/engine-kit";
import { createRecorder, runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import engine from "./engine.ts";

type Schema = boolean | Record<string, unknown>;
const judge = (schema: Schema, data: unknown, max_errors?: number) =>
  runEngine(engine, { schema, data, max_errors });

async function failureOf(schema: Schema, data: unknown = null): Promise<TerminalError> {
  try {
    throw new Error(`no failure, but ${JSON.stringify(await judge(schema, data))}`);
  } catch (error) {
    if (error instanceof TerminalError) return error;
    throw error;
  }
}

test("one value: every error, with pointers into the value and into the schema", async () => {
  const schema = {
    type: "object",
    properties: { "a/b": { type: "string" }, list: { items: { $ref: "#/$defs/n" } }, c: true },
    required: ["c"],
    additionalProperties: false,
    $defs: { n: { type: "number", exclusiveMinimum: 0 } },
  };
  expect(await judge(schema, { "a/b": "x", list: [1], c: null })).toEqual({
    valid: true,
    valid_count: 1,
    invalid_count: 0,
    error_count: 0,
    errors: [],
  });
  const report = await judge(schema, { "a/b": 1, list: [1, 0, "x"], "d~": 1 });
  expect(report).toMatchObject({ valid: false, valid_count: 0, invalid_count: 1, error_count: 5 });
  const found = report.errors.map((error) => [error.pointer, error.keyword, error.schema_pointer]);
  expect(found.toSorted((a, b) => a.join().localeCompare(b.join()))).toEqual([
    ["/a~1b", "type", "/properties/a~1b/type"],
    ["/c", "required", "/required"],
    ["/d~0", "additionalProperties", "/additionalProperties"],
    ["/list/1", "exclusiveMinimum", "/$defs/n/exclusiveMinimum"],
    ["/list/2", "type", "/$defs/n/type"],
  ]);
  expect(report.errors.every((error) => error.index === null && error.message !== "")).toBe(true);
});

test("a list of values is counted in whole and listed in part", async () => {
  const items = Array.from({ length: 30_000 }, (_, i) => ({ n: i % 3 === 0 ? "x" : i }));
  const recorder = createRecorder();
  const report = await runEngine(
    engine,
    { schema: { properties: { n: { type: "integer" } } }, items, max_errors: 2 },
    { recorder },
  );
  expect(report).toMatchObject({
    valid: false,
    valid_count: 20_000,
    invalid_count: 10_000,
    error_count: 10_000,
  });
  expect(report.errors.map(({ index, pointer }) => [index, pointer])).toEqual([
    [0, "/n"],
    [3, "/n"],
  ]);
  expect(await runEngine(engine, { schema: false, items: [] })).toMatchObject({ valid: true });
});

test("draft 2020-12 and its formats", async () => {
  expect((await judge({ prefixItems: [{ type: "string" }], items: false }, ["a", 1])).valid).toBe(
    false,
  );
  const tree = {
    $id: "https://example.com/tree",
    $dynamicAnchor: "node",
    properties: { name: { type: "string" }, children: { items: { $dynamicRef: "#node" } } },
  };
  expect((await judge(tree, { children: [{ name: "a" }, { name: 1 }] })).errors[0]?.pointer).toBe(
    "/children/1/name",
  );
  expect(
    (await judge({ properties: { a: true }, unevaluatedProperties: false }, { b: 1 })).errors[0]
      ?.pointer,
  ).toBe("/b");
  for (const [format, good, bad] of [
    ["email", "a@example.com", "a@"],
    ["date", "2024-02-29", "2023-02-29"],
    ["date-time", "2024-01-01T00:00:00Z", "2024-01-01"],
    ["uri", "https://example.com/", "example"],
    ["uuid", "01990000-0000-7000-8000-000000000001", "1"],
    ["ipv4", "127.0.0.1", "127.1"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    expect([await judge({ format }, good), await judge({ format }, bad)]).toMatchObject([
      { valid: true },
      { valid: false },
    ]);
  }
  expect((await judge({ format: "unheard-of", unheard: 1 }, "x")).valid).toBe(true);
});

test.each<[string, Schema, RegExp]>([
  ["a wrong type", { type: "strnig" }, /\/schema\/type: /],
  [
    "a wrong keyword inside",
    { properties: { a: { minLength: -1 } } },
    /\/schema\/properties\/a\/minLength: /,
  ],
  ["a remote reference", { $ref: "https://example.com/schema.json" }, /can't resolve reference/],
  ["a reference that leads nowhere", { $ref: "#/$defs/x" }, /can't resolve reference/],
  [
    "another draft",
    { $schema: "http://json-schema.org/draft-07/schema#" },
    /\/schema\/\$schema: only .*2020-12/,
  ],
  ["a pattern that is none", { pattern: "(" }, /Invalid regular expression|pattern/],
  ["an asynchronous schema", { $async: true }, /\$async/],
  ["a schema that is only itself", { $ref: "#" }, /refers to itself/],
])("%s ends with a reason", async (_, schema, message) => {
  const error = await failureOf(schema, "x");
  expect(error).toMatchObject({ code: "input_invalid", retryable: false });
  expect(error.message).toMatch(message);
});

test("a schema that refers to itself", async () => {
  const list = { type: "object", properties: { value: { type: "integer" }, next: { $ref: "#" } } };
  const report = await judge(list, { value: 1, next: { value: 2, next: { value: "3" } } });
  expect(report.errors.map(({ pointer }) => pointer)).toEqual(["/next/next/value"]);
});

test("a value that nests too deep for a recursive schema ends with a reason", async () => {
  let deep: unknown = null;
  for (let i = 0; i < 3000; i += 1) deep = [deep];
  const report = await judge({ items: { $ref: "#" } }, deep).catch((error: unknown) => error);
  if (report instanceof Error) expect(report).toBeInstanceOf(TerminalError);
});

test("$data has no power, and names of JavaScript's own are plain names", async () => {
  expect(
    await judge({ properties: { a: { maximum: { $data: "/b" } } } }, { a: 1, b: 0 }).catch(
      (error: unknown) => error,
    ),
  ).toBeInstanceOf(TerminalError);
  const data = JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}') as unknown;
  expect((await judge({ additionalProperties: false }, data)).error_count).toBe(2);
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
});

test("data or items, not both and not neither", async () => {
  await expect(runEngine(engine, { schema: true } as never)).rejects.toThrow(TerminalError);
  await expect(runEngine(engine, { schema: true, data: 1, items: [] })).rejects.toThrow(
    TerminalError,
  );
});
