import { readFileSync } from "node:fs";
import { type InputOf, TerminalError } from "@tl-engine/engine-kit";
import { createRecorder, runEngine } from "@tl-engine/engine-kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import engine from "./engine.ts";

type Input = InputOf<typeof engine>;

const dataSet = (name: string) =>
  readFileSync(new URL(`../data/${name}`, import.meta.resolve("vega-datasets")), "utf8");

async function columnsOf(input: Input) {
  const { columns } = await runEngine(engine, input);
  return Object.fromEntries(columns.map((column) => [column.name, column]));
}

async function failureOf(input: Input): Promise<TerminalError> {
  try {
    throw new Error(`no failure, but ${JSON.stringify(await runEngine(engine, input))}`);
  } catch (error) {
    if (error instanceof TerminalError) return error;
    throw error;
  }
}

// Figures computed apart, with Python's csv, statistics and math.fsum.
test("seattle-weather.csv", async () => {
  const { columns, ...table } = await runEngine(engine, {
    csv: dataSet("seattle-weather.csv"),
    top: 2,
  });
  expect(table).toEqual({ row_count: 1461, column_count: 6, ragged_rows: 0 });
  expect(
    columns.map(({ name, type, missing, distinct }) => [name, type, missing, distinct]),
  ).toEqual([
    ["date", "date", 0, 1461],
    ["precipitation", "number", 0, 111],
    ["temp_max", "number", 0, 67],
    ["temp_min", "number", 0, 55],
    ["wind", "number", 0, 79],
    ["weather", "string", 0, 5],
  ]);
  expect(columns[0]).toMatchObject({ min: "2012-01-01", max: "2015-12-31", mean: null });
  const [, precipitation, temperature, , , weather] = columns;
  expect(precipitation).toMatchObject({ min: 0, max: 55.9, sum: 4426 });
  expect(precipitation?.mean).toBeCloseTo(3.02943189596167, 12);
  expect(precipitation?.stddev).toBeCloseTo(6.680194322314738, 12);
  expect(temperature).toMatchObject({
    min: -1.6,
    max: 35.6,
    quantiles: [
      { q: 0.25, value: 10.6 },
      { q: 0.5, value: 15.6 },
      { q: 0.75, value: 22.2 },
    ],
  });
  expect(weather?.top).toEqual([
    { value: "rain", count: 641 },
    { value: "sun", count: 640 },
  ]);
});

test("cars.json", async () => {
  const rows = JSON.parse(dataSet("cars.json")) as Record<string, unknown>[];
  const columns = await columnsOf({ rows, quantiles: [0.9, 0.25], top: 1 });
  expect(columns["Miles_per_Gallon"]).toMatchObject({
    type: "number",
    present: 398,
    missing: 8,
    distinct: 129,
    types: { integer: 259, number: 139 },
  });
  expect(columns["Miles_per_Gallon"]?.mean).toBeCloseTo(23.514572864321607, 12);
  expect(columns["Horsepower"]).toMatchObject({
    type: "integer",
    missing: 6,
    mean: 105.0825,
    sum: 42_033,
  });
  expect(columns["Horsepower"]?.quantiles?.[1]).toEqual({ q: 0.25, value: 75.75 });
  expect(columns["Origin"]).toMatchObject({ min_length: 3, max_length: 6 });
  expect(columns["Origin"]?.top).toEqual([{ value: "USA", count: 254 }]);
});

test("types of CSV fields", async () => {
  const columns = await columnsOf({
    csv: [
      "int,num,bool,date,time,code,big,mixed,nothing,text",
      "1,.5,TRUE,2024-02-29,2024-01-01T00:00:00+02:00,007,12345678901234567890,1,,a",
      " -2 ,1e3,false,2023-12-31,2023-12-31 23:00,1.,9,x,NA,2023-02-29",
      "+0,7,True,0001-01-01,2024-01-01T00:00:00.5Z,N/A,8,2024-01-01,null,12:00",
    ].join("\r\n"),
  });
  const typed = Object.entries(columns).map(([name, { type }]) => [name, type]);
  expect(typed).toEqual([
    ["int", "integer"],
    ["num", "number"],
    ["bool", "boolean"],
    ["date", "date"],
    ["time", "datetime"],
    ["code", "mixed"],
    ["big", "mixed"],
    ["mixed", "mixed"],
    ["nothing", "empty"],
    ["text", "string"],
  ]);
  expect(columns["int"]).toMatchObject({ min: -2, max: 1, mean: -1 / 3, distinct: 3 });
  expect(columns["time"]).toMatchObject({
    min: "2024-01-01T00:00:00+02:00",
    max: "2024-01-01T00:00:00.5Z",
  });
  expect(columns["mixed"]).toMatchObject({ types: { integer: 1, string: 1, date: 1 }, mean: null });
  expect(columns["nothing"]).toMatchObject({ missing: 3, present: 0, distinct: 0, top: [] });
});

test("types of JSON members: numbers in texts are texts, absent is missing", async () => {
  const columns = await columnsOf({
    rows: [
      { a: 1, b: "1", c: true, d: { x: 1 } },
      { a: 1.5, b: "2024-01-01", c: null, d: [1], late: "é😀" },
      { a: 2, b: "-", d: { x: 1 }, ["__proto__x"]: 1 },
    ],
    missing: ["-"],
  });
  expect(columns["a"]).toMatchObject({ type: "number", mean: 1.5, stddev: 0.5 });
  expect(columns["b"]).toMatchObject({ type: "mixed", types: { string: 1, date: 1 }, missing: 1 });
  expect(columns["c"]).toMatchObject({ type: "boolean", missing: 2 });
  expect(columns["d"]).toMatchObject({ type: "mixed", distinct: 2 });
  expect(columns["d"]?.top[0]).toEqual({ value: '{"x":1}', count: 2 });
  expect(columns["late"]).toMatchObject({ missing: 2, min_length: 2, max_length: 2 });
});

test("byte order mark, quoted line ends and delimiters, doubled names, empty lines", async () => {
  const { row_count, columns } = await runEngine(engine, {
    csv: '\ufeff"a";b;b\n"x;\r\n""y""";1;2\n\nz;;3\n',
    delimiter: ";",
  });
  expect(row_count).toBe(2);
  expect(columns.map(({ name, position }) => [name, position])).toEqual([
    ["a", 1],
    ["b", 2],
    ["b", 3],
  ]);
  expect(columns[0]?.top.map(({ value }) => value)).toEqual(['x;\r\n"y"', "z"]);
  expect(columns[1]).toMatchObject({ missing: 1, present: 1 });
});

test("a long text is read in pieces without harm to a character, and progress is told", async () => {
  const recorder = createRecorder();
  const lines = Array.from({ length: 40_000 }, (_, i) => `${i},😀é`);
  const { row_count, columns } = await runEngine(
    engine,
    { csv: `n,text\n${lines.join("\n")}` },
    { recorder },
  );
  expect(row_count).toBe(40_000);
  expect(columns[1]).toMatchObject({ distinct: 1, min_length: 2, max_length: 2 });
  expect(columns[0]).toMatchObject({ sum: 799_980_000, mean: 19_999.5, distinct: 40_000 });
  const fractions = recorder.progress.map(({ fraction }) => fraction);
  expect(fractions.length).toBeGreaterThan(5);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.at(-1)).toBe(1);
});

test("no header, no rows, nothing at all", async () => {
  const { row_count, columns } = await runEngine(engine, { csv: "1,a\n2,b", header: false });
  expect([row_count, columns.map(({ name }) => name)]).toEqual([2, ["column_1", "column_2"]]);
  expect(await runEngine(engine, { csv: "a,b\n" })).toMatchObject({
    row_count: 0,
    column_count: 2,
  });
  expect(await runEngine(engine, { csv: "" })).toMatchObject({ row_count: 0, column_count: 0 });
  expect(await runEngine(engine, { rows: [] })).toMatchObject({ row_count: 0, column_count: 0 });
});

test("ragged records: refused with the line, or padded and counted", async () => {
  const csv = "a,b,c\n1,2,3\n1,2\n1,2,3,4\n";
  const error = await failureOf({ csv });
  expect(error).toMatchObject({ code: "input_invalid", retryable: false, details: { line: 3 } });
  expect(error.message).toMatch(/line 3 \(2 fields\): another number of fields/);
  const { row_count, ragged_rows, columns } = await runEngine(engine, { csv, ragged: "pad" });
  expect([row_count, ragged_rows, columns[2]?.missing]).toEqual([3, 2, 1]);
});

test.each<[string, string, RegExp]>([
  ["a quote never closed", 'a,b\n1,"2\n3,4\n', /line \d+.*not closed/],
  ["text after a quote", 'a,b\n1,"2"x\n', /line 2.*closing quote/],
  ["a quote within a field", 'a,b\n1,2"x\n', /line 2.*does not begin with one/],
])("%s: a reason with the line", async (_, csv, message) => {
  const error = await failureOf({ csv });
  expect(error.code).toBe("input_invalid");
  expect(error.message).toMatch(message);
});

test("a table lying on its side is refused", async () => {
  const names = Array.from({ length: 2001 }, (_, i) => `c${i}`);
  expect((await failureOf({ csv: names.join(",") })).message).toMatch(/2000 columns/);
  const row = Object.fromEntries(names.map((name) => [name, 1]));
  expect((await failureOf({ rows: [row] })).message).toMatch(/2000 columns/);
});

test("figures stay sound at the edges of numbers", async () => {
  const columns = await columnsOf({
    rows: [
      { huge: 1e308, same: 0.1, tiny: 1e100 },
      { huge: 1e308, same: 0.1, tiny: 1 },
      { huge: -1e308, same: 0.1, tiny: -1e100 },
    ],
    quantiles: [0, 0.3, 0.5, 1],
  });
  expect(columns["huge"]).toMatchObject({ min: -1e308, max: 1e308 });
  expect(columns["huge"]?.quantiles?.map(({ value }) => Number.isFinite(value))).not.toContain(
    false,
  );
  expect(columns["same"]?.quantiles?.map(({ value }) => value)).toEqual([0.1, 0.1, 0.1, 0.1]);
  expect(columns["same"]).toMatchObject({ stddev: 0 });
  expect(columns["tiny"]).toMatchObject({ sum: 1 });
});

test("figures do not depend on the order of rows, and agree with plain definitions", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (numbers, q) => {
        const profile = async (list: readonly number[]) =>
          (await columnsOf({ rows: list.map((n) => ({ n })), quantiles: [q], top: 0 }))["n"];
        const column = await profile(numbers);
        expect(await profile(numbers.toReversed())).toEqual(column);
        const mean = numbers.reduce((a, b) => a + b) / numbers.length;
        const squares = numbers.reduce((a, n) => a + (n - mean) ** 2, 0);
        expect(column?.mean).toBeCloseTo(mean, 9);
        expect(column?.stddev).toBeCloseTo(Math.sqrt(squares / (numbers.length - 1)), 9);
        const sorted = numbers.toSorted((a, b) => a - b);
        const value = column?.quantiles?.[0]?.value ?? Number.NaN;
        const below = sorted.filter((n) => n < value - 1e-9).length;
        expect(below).toBeLessThanOrEqual(Math.ceil((numbers.length - 1) * q));
        expect(column?.distinct).toBe(new Set(numbers).size);
      },
    ),
    { numRuns: 100 },
  );
});

test("a signal ends it", async () => {
  const controller = new AbortController();
  const csv = `n\n${"1\n".repeat(200_000)}`;
  const running = runEngine(engine, { csv }, { signal: controller.signal });
  controller.abort(new Error("time is up"));
  await expect(running).rejects.toThrow("time is up");
});
