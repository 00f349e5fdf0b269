import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { makeBuild, type Build } from "../../support/build.ts";
import { eventually } from "../../support/eventually.ts";
import { startProcess } from "../../support/running-process.ts";
import type { Bed } from "../bed/bed.ts";
import { takeFleet, type Fleet, type Kind, type Release } from "../bed/fleet.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** Every table that a running process reads gets one more column, under the statements that it has prepared. */
const migration = [
  "executions",
  "idempotency_keys",
  "processes",
  "process_engines",
  "leader",
  "engine_versions",
  "engine_counters",
  "engine_timings",
  "outbound_calls",
  "api_keys",
  "rate_limits",
]
  .map((table) => `ALTER TABLE ${table} ADD COLUMN next text;\n`)
  .join("");
const index =
  "CREATE INDEX CONCURRENTLY executions_next ON executions (next) WHERE next IS NOT NULL;\n";

/** `count@2` takes what `count@1` takes, and more. */
const countTwo = `import { defineEngine, z } from "@tl-engine/engine-kit";
import first from "./count.ts";
const [count] = first;
const two = defineEngine({ ...count, version: 2, input: count.input.extend({ more: z.string().optional() }) });
`;

/** No answer but 2xx and 503, and of these at most 1 %. */
const mostRefused = 0.01;

export const faultCase: FaultCase = {
  id: "S3",
  promise:
    "rolling deploys old → new → old and in random order under load, two builds, one with a migration and a new engine version: 0 lost, 0 errors but 503, ≤ 1 % of those; nobody receives what he does not know",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const build = makeBuild({
      changes: {
        "migrations/9001_next.sql": migration,
        "migrations/9002_next.concurrent.sql": index,
        "e2e/engines/both.ts": `${countTwo}export default [...first, two];\n`,
        "e2e/engines/two.ts": `${countTwo}export default two;\n`,
      },
    });
    await roll(context, build);
  },
};

async function roll(context: CaseContext, build: Build): Promise<void> {
  const bed = await context.startBed({
    engines: ["count", "sleep"],
    apis: 2,
    workers: context.size(2, 3),
    env: { TL_DRAIN_SECONDS: "4" },
    alone: true,
  });
  const old: Release = { name: "old", api: {}, worker: {} };
  const next = releaseOf("new", build, ["both", "sleep"]);
  const last = releaseOf("new without count@1", build, ["two", "sleep"]);
  const fleet = await takeFleet(bed, old);
  const ledger = await context.openLedger(fleet.bed, ["count", "sleep"]);
  const early = await bed.deployment.startApi(next.api);
  await early.says("waits", ({ reason }) => reason === "migrations");
  const load = startLoad(context, bed, ledger);
  try {
    await migrateBehind(context, bed, build);
    await early.ready();
    await early.stop();
    await rollAll(context, fleet, next);
    await rollAll(context, fleet, old);
    for (let n = 0; n < context.size(0, 30); n++) {
      const place = fleet.places[context.between(0, fleet.places.length - 1)];
      const releases = place?.kind === "api" ? [old, next] : [old, next, last];
      const release = releases[context.between(0, releases.length - 1)];
      if (place === undefined || release === undefined) continue;
      await replace(context, fleet, place, release);
    }
    // What the new build accepted under count@2, and the old one under count@1, finds somebody who serves both.
    await rollAll(context, fleet, next);
  } finally {
    await load.stop();
  }
  checkAnswers(context, ledger);
  const { figures } = await ledger.audit(context.promised(60));
  assert.equal(figures.lost, 0);
  await checkVersions(context, bed, fleet, old, last);
  await leaveVersionBehind(context, bed, fleet, last);
}

function releaseOf(name: string, build: Build, engines: readonly string[]): Release {
  const env = { TL_ENGINES: engines.map((file) => build.path(`e2e/engines/${file}.ts`)).join(",") };
  return {
    name,
    api: { entryPoint: build.path("apps/api/src/main.ts") },
    worker: { entryPoint: build.path("apps/worker/src/main.ts"), env },
  };
}

/** Programs that name a version, that leave it open, and whose work is under way whenever a process leaves. */
function startLoad(context: CaseContext, bed: Bed, ledger: Ledger): { stop(): Promise<void> } {
  let going = true;
  const lane = async (engine: string, input: unknown): Promise<void> => {
    while (going) {
      await ledger.submit({ engine, input });
      await delay(context.size(50, 20) * (1 + context.random()));
    }
  };
  const sink = { sink: bed.sink.url };
  const lanes = Promise.all([
    lane("count", sink),
    lane("count", sink),
    lane("count@1", sink),
    lane("sleep", { ms: 300 }),
  ]);
  return {
    async stop() {
      going = false;
      await lanes;
    },
  };
}

/** Runs the new build's migration twice at once, under load. */
async function migrateBehind(context: CaseContext, bed: Bed, build: Build): Promise<void> {
  const migrators = [1, 2].map((n) =>
    startProcess({
      name: `migrate ${n}`,
      entry: build.path("packages/shared/src/db/migrate-main.ts"),
      env: { DATABASE_URL: bed.postgres.url },
      cwd: build.path("."),
    }),
  );
  for (const migrator of migrators) {
    assert.deepEqual(await migrator.end, { code: 0, signal: null }, migrator.text());
  }
  context.say(
    migrators.map((one) => one.text().match(/migrations applied: [^"]*/)?.[0]).join("; "),
  );
}

/** The APIs one after the other, and beside them the workers: two Deployments. */
async function rollAll(
  context: CaseContext,
  fleet: Fleet,
  release: Release,
  kinds: readonly Kind[] = ["api", "worker"],
): Promise<void> {
  const rollKind = async (kind: Kind): Promise<void> => {
    for (const place of fleet.places) {
      if (place.kind === kind && place.release !== release)
        await replace(context, fleet, place, release);
    }
  };
  await Promise.all(kinds.map(rollKind));
}

async function replace(
  context: CaseContext,
  fleet: Fleet,
  place: Fleet["places"][number],
  release: Release,
): Promise<void> {
  const order = context.random() < 0.5 ? "start first" : "stop first";
  await fleet.replace(place, release, order);
  context.say(`${place.kind} is ${release.name} now (${order})`);
}

function checkAnswers(context: CaseContext, ledger: Ledger): void {
  const counts = Map.groupBy(ledger.tries, ({ status }) => status);
  const told = [...counts].map(([status, tries]) => `${tries.length} × ${status ?? "no answer"}`);
  context.say(`answers: ${told.join(", ")}`);
  const strange = [...counts.keys()].filter((status) => ![200, 202, 503].includes(status ?? 0));
  assert.deepEqual(strange, [], "answers that a deploy must not give");
  const refused = counts.get(503)?.length ?? 0;
  assert(
    refused <= mostRefused * ledger.tries.length,
    `${refused} of ${ledger.tries.length} requests were refused`,
  );
}

/** Whoever received an execution knew its version. */
async function checkVersions(
  context: CaseContext,
  bed: Bed,
  fleet: Fleet,
  old: Release,
  last: Release,
): Promise<void> {
  const rows = await bed.query<{ version: number; count: number; wrong: number }>(
    `SELECT e.version, count(DISTINCT e.id)::int AS count, count(*) FILTER (WHERE m.worker = ANY(CASE e.version
        WHEN 2 THEN $1::uuid[] ELSE $2::uuid[] END))::int AS wrong
       FROM bed.moves m JOIN executions e ON e.id = m.id WHERE e.engine_id = 'count' AND m."to" = 'running'
      GROUP BY e.version ORDER BY e.version`,
    [fleet.workersOf(old), fleet.workersOf(last)],
  );
  context.say(rows.map(({ version, count }) => `${count} ran as count@${version}`).join(", "));
  assert.deepEqual(
    rows.map(({ version, wrong }) => [version, wrong]),
    [
      [1, 0],
      [2, 0],
    ],
  );
}

/** The last worker of a version goes, and what still waits for it ends by its own deadlines. */
async function leaveVersionBehind(
  context: CaseContext,
  bed: Bed,
  fleet: Fleet,
  last: Release,
): Promise<void> {
  const client = fleet.bed.client();
  const started = await client.execute("count@1", { sink: bed.sink.url, hold: true });
  await eventually("it runs", () => bed.sink.counts().get(started.execution_id), {
    withinMs: 20_000,
  });
  await rollAll(context, fleet, last, ["worker"]);
  const never = await client.execute("count@1", { sink: bed.sink.url }, { ttl: "1s" });
  await bed.query("UPDATE executions SET deadline_at = now() WHERE id = $1 AND status = 'queued'", [
    started.execution_id,
  ]);
  await eventually(
    "both have ended",
    async () => {
      const { executions } = await client.statuses([never.execution_id, started.execution_id]);
      assert.deepEqual(
        executions.map(({ status, error }) => [status, error?.code ?? null]),
        [
          ["expired", null],
          ["failed", "no_such_version"],
        ],
      );
      return true;
    },
    { withinMs: context.promised(30), everyMs: 100 },
  );
}
