import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { describeWithRedis } from "../test/services.ts";
import { startBed, type Bed } from "./support/bed.ts";
import { eventually } from "./support/eventually.ts";
import { livingApis } from "./support/living-apis.ts";
import { request } from "./support/request.ts";

// Postgres and Redis away at the start; what else becomes of their outages is on the fault bed.
describeWithRedis("two APIs and three workers", () => {
  let bed: Bed;

  beforeAll(async () => {
    // S5: everything is started before Postgres and Redis are there.
    bed = await startBed({
      engines: ["sleep", "count"],
      async beforeServices({ apis, workers }) {
        for (const { metricsUrl } of [...apis, ...workers]) {
          const [ready, alive] = await Promise.all([
            request(`${metricsUrl}/readyz`),
            request(`${metricsUrl}/healthz`),
          ]);
          expect([ready.status, alive.status]).toEqual([503, 200]);
          expect(ready.json.reasons).toContain("postgres");
        }
      },
    });
  });
  afterAll(() => bed?.remove());
  beforeEach(() => bed.deployment.showLogsOnFailure(onTestFailed));

  const client = () => bed.deployment.client(livingApis(bed.deployment)[0]);
  const processes = () => [...bed.deployment.apis, ...bed.deployment.workers];
  /** All processes are those of the start, and ready, within the time that their connections need. */
  const allReady = (withinMs: number) =>
    eventually(
      "all processes are ready",
      async () => {
        expect(processes().filter(({ ended }) => ended !== null)).toEqual([]);
        for (const { metricsUrl, name } of processes()) {
          const { status, json } = await request(`${metricsUrl}/readyz`);
          expect({ name, status, reasons: json.reasons }).toEqual({
            name,
            status: 200,
            reasons: [],
          });
        }
        return true;
      },
      { withinMs },
    );

  test("S5: started before Postgres and Redis, all wait, and are ready 5 s after both", async () => {
    await allReady(5_000);
    expect(processes()).toHaveLength(5);
    expect(await client().run("sleep", { ms: 1 }, { waitTimeoutMs: 5_000 })).toEqual({
      attempt: 1,
    });
  });
});
