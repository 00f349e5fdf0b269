import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Client } from "@tl-engine/client";
import { analyzeTableContract } from "@tl-engine/engines/analyze-table/contract.ts";
import { httpRequestContract } from "@tl-engine/engines/http-request/contract.ts";
import { transformJsonataContract } from "@tl-engine/engines/transform-jsonata/contract.ts";
import { validateJsonSchemaContract } from "@tl-engine/engines/validate-json-schema/contract.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { csvRows, dataSetText, jsonRows, type Row } from "./support/data-sets.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { figuresOf, quantilesAsked, sum } from "./support/figures.ts";

let database: FreshDatabase;
let deployment: Deployment;
let outside: Server;
/** Must hear nothing. */
let forbidden: Server;
let connectionsToForbidden = 0;

const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeAll(async () => {
  outside = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("Content-Type", "application/json");
      if (request.url?.startsWith("/cars")) response.end(dataSetText("cars.json"));
      else if (request.url === "/away") {
        response.writeHead(302, { Location: `http://${addressOf(forbidden)}/` }).end();
      } else {
        const said = { method: request.method, url: request.url, headers: request.headers };
        response.end(JSON.stringify({ ...said, body: Buffer.concat(chunks).toString() }));
      }
    });
  }).listen(0, "127.0.0.1");
  forbidden = createServer((_, response) => response.end("{}")).listen(0, "127.0.0.1");
  forbidden.on("connection", () => connectionsToForbidden++);
  await Promise.all([once(outside, "listening"), once(forbidden, "listening")]);
  database = await freshDatabase();
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    // movies.json alone is larger than the default.
    env: { TL_OUTBOUND_ALLOW: addressOf(outside), TL_MAX_BODY_BYTES: String(4 * 1024 * 1024) },
  });
});

afterAll(async () => {
  await deployment?.stop();
  outside?.close();
  forbidden?.close();
  await database?.drop({ force: true });
});

beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const callers: [string, () => Promise<Client>][] = [
  ["tl-plane", async () => deployment.client()],
  [
    "a program with a key made by the API",
    async () => {
      const { key } = await deployment.client().keys.create({ name: "analyst" });
      return deployment.client(0, { apiKey: key });
    },
  ],
  [
    "a front end with a signed token",
    async () => deployment.client(0, { token: () => deployment.token("alice") }),
  ],
];

describe.each(callers)("submitted by %s", (_name, connect) => {
  let client: Client;
  beforeAll(async () => {
    client = await connect();
  });

  test.each<[string, "csv" | "json", (name: string) => Row[]]>([
    ["seattle-weather.csv", "csv", csvRows],
    ["cars.json", "json", jsonRows],
    ["penguins.json", "json", jsonRows],
    ["movies.json", "json", jsonRows],
  ])("analyze.table profiles %s", async (name, kind, read) => {
    const rows = read(name);
    const common = { quantiles: quantilesAsked, top: 4 };
    const table = kind === "csv" ? { csv: dataSetText(name) } : { rows };
    const output = await client.run(analyzeTableContract, { ...table, ...common });

    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    expect(output).toMatchObject({ row_count: rows.length, column_count: names.length });
    expect(output.columns.map((column) => column.name)).toEqual(names);
    for (const column of output.columns) {
      const { mean, quantiles, min, max, ...exact } = figuresOf(
        rows.map((row) => row[column.name]),
        4,
      );
      expect(column).toMatchObject({ name: column.name, ...exact });
      if (mean === null) {
        // Text, or texts among numbers: there is no mean, and what is smallest is another question.
        expect(column).toMatchObject({ name: column.name, mean: null });
        continue;
      }
      expect(column).toMatchObject({ name: column.name, min, max });
      expect(column.mean).toBeCloseTo(mean, 6);
      for (const [index, { q, value }] of (column.quantiles ?? []).entries()) {
        expect(q).toBe(quantilesAsked[index]);
        expect(value).toBeCloseTo(quantiles?.[index] ?? Number.NaN, 9);
      }
    }
  });

  test("transform.jsonata groups cars.json and seattle-weather.csv", async () => {
    const cars = jsonRows("cars.json");
    const { result } = await client.run(transformJsonataContract, {
      expression:
        '${Origin: {"cars": $count(Name), "horsepower": $sum(Horsepower[$ != null]), "heaviest": $max(Weight_in_lbs)}}',
      data: cars,
    });
    expect(result).toEqual(
      groups(cars, "Origin", (those) => ({
        cars: those.length,
        horsepower: sum(numbers(those, "Horsepower")),
        heaviest: Math.max(...numbers(those, "Weight_in_lbs")),
      })),
    );

    const days = csvRows("seattle-weather.csv");
    const weather = await client.run(transformJsonataContract, {
      expression: "${weather: $round($sum(precipitation) * $factor, 3)}",
      data: days,
      bindings: { factor: 10 },
    });
    expect(weather.result).toEqual(
      groups(
        days,
        "weather",
        (those) => Math.round(sum(numbers(those, "precipitation")) * 1e4) / 1e3,
      ),
    );
  });

  test("validate.json-schema judges the rows of cars.json and penguins.json", async () => {
    const cars = jsonRows("cars.json");
    const schema = {
      type: "object",
      required: ["Name", "Miles_per_Gallon", "Horsepower", "Year"],
      properties: {
        Miles_per_Gallon: { type: "number", exclusiveMinimum: 10 },
        Horsepower: { type: "integer", maximum: 200 },
        Year: { type: "string", format: "date" },
        Cylinders: { enum: [4, 6, 8] },
      },
    };
    const wrong = cars.flatMap((car, index) => {
      const pointers: string[] = [];
      const { Miles_per_Gallon: mpg, Horsepower: power, Cylinders: cylinders } = car;
      if (typeof mpg !== "number" || mpg <= 10) pointers.push("/Miles_per_Gallon");
      if (typeof power !== "number" || !Number.isInteger(power) || power > 200) {
        pointers.push("/Horsepower");
      }
      if (!/^\d{4}-\d{2}-\d{2}$/.test(String(car["Year"]))) pointers.push("/Year");
      if (cylinders !== 4 && cylinders !== 6 && cylinders !== 8) pointers.push("/Cylinders");
      return pointers.map((pointer) => `${index} ${pointer}`);
    });
    expect(wrong.length).toBeGreaterThan(20); // or the comparison says little
    const output = await client.run(validateJsonSchemaContract, { schema, items: cars });
    const badRows = new Set(wrong.map((one) => one.split(" ")[0])).size;
    expect(output).toMatchObject({
      valid: false,
      invalid_count: badRows,
      valid_count: cars.length - badRows,
      error_count: wrong.length,
    });
    expect(output.errors.map(({ index, pointer }) => `${index} ${pointer}`).toSorted()).toEqual(
      wrong.toSorted(),
    );

    const penguins = jsonRows("penguins.json");
    const sexes = await client.run(validateJsonSchemaContract, {
      schema: { properties: { Sex: { enum: ["MALE", "FEMALE"] } } },
      items: penguins,
    });
    expect(sexes.errors.map(({ index }) => index)).toEqual(
      penguins.flatMap(({ Sex: sex }, index) =>
        sex === "MALE" || sex === "FEMALE" ? [] : [index],
      ),
    );
  });

  test("http.request reaches what is allowed, and its call is on record", async () => {
    const fetched = await client.run(httpRequestContract, {
      url: `http://${addressOf(outside)}/cars`,
      query: { secret: "not-for-the-log" },
    });
    expect(fetched).toMatchObject({ status: 200, body_encoding: "json" });
    expect(fetched.body).toEqual(jsonRows("cars.json"));

    const { execution_id: id } = await client.execute(httpRequestContract, {
      url: `http://${addressOf(outside)}/orders?secret=not-for-the-log`,
      method: "POST",
      headers: { "x-trace": "abc" },
      json: { order: "A-17" },
    });
    const done = await client.wait<{ body: Record<string, unknown> }>(id, { include: ["calls"] });
    expect(done.output?.body).toMatchObject({
      method: "POST",
      headers: { "x-trace": "abc", "content-type": expect.stringContaining("application/json") },
      body: '{"order":"A-17"}',
    });
    expect(done.calls).toEqual([
      expect.objectContaining({
        attempt: 1,
        protocol: "http",
        method: "POST",
        host: addressOf(outside),
        path: "/orders",
        status: 200,
        error_code: null,
        try: 1,
      }),
    ]);
    expect(JSON.stringify(done.calls)).not.toContain("not-for-the-log");
  });

  test("http.request is refused where nothing allows it, also by way of a redirect", async () => {
    for (const url of [
      `http://${addressOf(forbidden)}/`,
      `http://localhost:${addressOf(forbidden).split(":")[1]}/`,
      `http://${addressOf(outside)}/away`,
    ]) {
      const { execution_id: id } = await client.execute(httpRequestContract, { url });
      const done = await client.wait(id);
      expect({ url, ...done }).toMatchObject({
        url,
        status: "failed",
        attempt: 1,
        error: { code: "outbound_refused", retryable: false },
      });
    }
    expect(connectionsToForbidden).toBe(0);
  });
});

function numbers(rows: readonly Row[], name: string): number[] {
  return rows.map((row) => row[name]).filter((value) => typeof value === "number");
}

function groups<T>(rows: readonly Row[], name: string, of: (those: Row[]) => T): Record<string, T> {
  return Object.fromEntries(
    [...Map.groupBy(rows, (row) => String(row[name]))].map(([value, those]) => [value, of(those)]),
  );
}
