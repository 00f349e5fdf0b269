import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { eventually } from "../../support/eventually.ts";
import type { Worker } from "../../support/deployment.ts";
import type { Bed } from "../bed/bed.ts";
import type { Move } from "../bed/trail.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { workerKilled } from "../faults/processes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { startPeer } from "../outside/peer.ts";
import { troublesOn } from "../outside/troubles.ts";

/** A worker that dies while it tries a circuit holds it for so long, ms. */
const longestHeldMs = 15_000;
/** So many run in one worker at once. */
const slots = 4;
const workers = 3;

/** A peer that is down: it answers 503, or nothing at all while it is told to hold. */
interface Broken {
  up: boolean;
  holds: boolean;
  readonly held: Set<ServerResponse>;
  /** Calls that came while it was down, and how many of them were under way at once. */
  tries: number;
  underWay: number;
  most: number;
}

export const faultCase: FaultCase = {
  id: "C2",
  promise:
    "200 executions parked by an open circuit, while the worker that tries it or an API is killed, Redis emptied, Postgres away, its sessions cut, everything replaced: one try at a time; once it closes all succeed, with no attempt counted, in the order in which they were parked",
  backends: bothBackends,
  short: false,
  async run(context) {
    const broken: Broken = {
      up: false,
      holds: false,
      held: new Set(),
      tries: 0,
      underWay: 0,
      most: 0,
    };
    const peer = await startPeer((_heard, response) => {
      if (broken.up) return void response.end();
      broken.tries += 1;
      broken.underWay += 1;
      broken.most = Math.max(broken.most, broken.underWay);
      response.once("close", () => {
        broken.underWay -= 1;
        broken.held.delete(response);
      });
      if (broken.holds) broken.held.add(response);
      else response.writeHead(503).end();
    });
    try {
      const bed = await context.startBed({
        engines: ["crm"],
        workers,
        env: { TL_OUTBOUND_ALLOW: peer.address, TL_WORKER_CONCURRENCY: String(slots) },
        alone: true,
      });
      await bed.client().connections.create({
        id: "crm",
        kind: "http",
        base_url: peer.url,
        breaker: { failures: 3, ratio: 0.5, window: "30s", open: "1s", max_open: "2s" },
      });
      await openCircuit(bed);
      Object.assign(broken, { tries: 0, most: 0 });
      const ledger = await context.openLedger(bed, ["crm.contact"], { refusalsExpected: true });
      await strikeWhileOpen(context, bed, ledger, broken);
      context.say(`${broken.tries} tries while it was down, at most ${broken.most} at once`);
      assert.equal(broken.most, 1, "tries at once");
      broken.up = true;
      const { moves } = await ledger.audit(context.promised(60) + longestHeldMs);
      context.say(judgeOrder(moves));
    } finally {
      await peer.close();
    }
  },
};

/** By calls of another engine, which are attempts like any other. */
async function openCircuit(bed: Bed): Promise<void> {
  const client = bed.client();
  for (let n = 0; n < 3; n++) {
    const input = { connection: "crm", url: "/" };
    const { execution_id: id } = await client.execute("http.request", input, { maxAttempts: 1 });
    await client.wait(id, { timeoutMs: 60_000 });
  }
  await eventually("the circuit is open", async () =>
    (await client.connections.get("crm")).circuit?.state === "closed" ? null : true,
  );
}

async function strikeWhileOpen(
  context: CaseContext,
  bed: Bed,
  ledger: Ledger,
  broken: Broken,
): Promise<void> {
  const count = context.size(40, 200);
  const submit = (share: number, paceMs: number): Promise<void> =>
    ledger.load({ engine: "crm.contact", input: () => ({}), count: count * share, paceMs });
  await submit(0.5, 0);
  // Others come while it goes on.
  const rest = submit(0.5, context.size(500, 2_000));
  await eventually("half of them are parked", async () =>
    (await countParked(bed)) >= count * 0.4 ? true : null,
  );
  const victim = await whoTries(bed, broken);
  context.say(`kill -9 of the worker that tries it; ${await countParked(bed)} are parked`);
  await victim.kill();
  Object.assign(broken, { holds: false });
  await bed.complete();
  await isTriedAgain(context, broken);
  for (const trouble of troublesOn(context.backend)) {
    if (trouble === workerKilled) continue;
    context.say(`${trouble.name}; ${await countParked(bed)} are parked`);
    await trouble.strike(bed, context, context.size(2_000, 5_000));
    await isTriedAgain(context, broken);
  }
  await rest;
  await eventually("all are parked", async () =>
    (await countParked(bed)) >= count - 1 ? true : null,
  );
}

async function countParked(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM executions WHERE status = 'queued' AND wait_reason = 'circuit_open'",
  );
  return row?.count ?? 0;
}

/** The worker whose call decides, once it waits for the peer's answer. */
async function whoTries(bed: Bed, broken: Broken): Promise<Worker> {
  broken.holds = true;
  return eventually(
    "a worker tries it",
    async () => {
      if (broken.held.size === 0) return null;
      const [row] = await bed.query<{ worker: string }>(
        `SELECT e.worker_id AS worker FROM connection_breakers b JOIN executions e ON e.id = b.probe_execution_id
          WHERE b.state = 'half_open' AND e.status = 'running'`,
      );
      return row === undefined ? null : bed.workerById(row.worker);
    },
    { withinMs: 30_000, everyMs: 20 },
  );
}

async function isTriedAgain(context: CaseContext, broken: Broken): Promise<void> {
  const before = broken.tries;
  await eventually("it is tried again", () => (broken.tries > before ? true : null), {
    withinMs: context.promised(30) + longestHeldMs,
  });
}

/**
 * They start in the order in which they were parked. Several workers take from one queue, so each may overtake as many as
 * run at once, and what a worker has taken and is slow to start is overtaken by more. Those that tried it were parked again, and are left out: where more are released than there is room
 * for, the oldest goes first, and that is they.
 */
function judgeOrder(moves: readonly Move[]): string {
  const all = [...Map.groupBy(moves, ({ id }) => id).values()].map((its) => ({
    parks: its.filter(({ from, to }) => from === "running" && to === "queued"),
    started: its.findLast(({ to }) => to === "running"),
  }));
  const waited = all.flatMap(({ parks: [parked, ...more], started }) =>
    parked === undefined || started === undefined || more.length > 0 ? [] : [{ parked, started }],
  );
  const asStarted = waited.toSorted((a, b) => a.started.seq - b.started.seq);
  const places = new Map(asStarted.map((one, place) => [one, place]));
  const strays = waited
    .toSorted((a, b) => a.parked.seq - b.parked.seq)
    .map((one, place) => Math.abs((places.get(one) ?? 0) - place));
  const furthest = Math.max(0, ...strays);
  const mean = strays.reduce((sum, one) => sum + one, 0) / Math.max(1, strays.length);
  const atOnce = workers * slots;
  assert(
    mean <= atOnce && furthest <= Math.max(2 * atOnce, waited.length / 4),
    `they started ${mean} places from where they were parked, one ${furthest}: ${strays.join(" ")}`,
  );
  return `${all.length} were parked, ${all.length - waited.length} more than once; the others started ${mean.toFixed(1)} places from their own, one ${furthest}`;
}
