import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../../test/services.ts";
import { startDeployment, type Deployment } from "../support/deployment.ts";
import { fuzz } from "./fuzz.ts";
import { showReport } from "./show-report.ts";
import { fuzzDeployment } from "./world.ts";

// B1, B3, B4, B6, B8 in their short form; `npm run test:fuzz` sends ten times as many.
const requests = 1_000;

let database: FreshDatabase;
let deployment: Deployment;
beforeAll(async () => {
  database = await freshDatabase();
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 1,
    ...fuzzDeployment,
  });
});
afterAll(async () => {
  await deployment?.stop();
  await database?.drop({ force: true });
});

/** Operation → statuses that it answered. */
const answered = new Map<string, Set<number>>();

test.each([
  ["that are the same each time", 20_260],
  ["that are new each time", randomInt(2 ** 31)],
])(
  "requests %s (seed %i) find nothing",
  async (_name, seed) => {
    deployment.showLogsOnFailure(onTestFailed);
    const since = performance.now();
    const silent = { say: () => undefined };
    const report = await fuzz({ deployment, databaseUrl: database.url, requests, seed, ...silent });
    const shown = showReport(report, seed, performance.now() - since);
    onTestFailed(() => console.log(shown));
    console.log(shown.slice(shown.lastIndexOf("\n") + 1));
    const { findings, troubles, statuses } = report;
    for (const [name, counts] of statuses) {
      answered.set(name, new Set([...(answered.get(name) ?? []), ...counts.keys()]));
    }
    expect({ findings, troubles }).toEqual({ findings: [], troubles: [] });
  },
  300_000,
);

test("each operation did what it does, and refused", () => {
  const oneSided = [...answered].filter(([name, all]) => {
    const statuses = [...all];
    const didBoth = statuses.some((one) => one < 300) && statuses.some((one) => one >= 400);
    // A service's token nobody has here; e2e/remote-engines.test.ts completes.
    const isServices = name.endsWith("/complete");
    return name.includes("/api/v1/") && !isServices && !didBoth;
  });
  expect(oneSided).toEqual([]);
});
