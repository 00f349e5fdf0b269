import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import type { Audit } from "../ledger/audit.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Order } from "../ledger/order.ts";
import { startPeer } from "../outside/peer.ts";
import { troublesOn } from "../outside/troubles.ts";

/** How long an answer takes, ms. */
const answerTakesMs = 200;

/** What the peer knows of one execution: when it called, and from when on it may. */
interface Guest {
  calls: number;
  early: number;
  welcomeAt: number;
}

export const faultCase: FaultCase = {
  id: "C1",
  promise:
    "200 executions parked by a Retry-After, while a worker or an API is killed, Redis emptied, Postgres away, its sessions cut, everything replaced: all succeed, with no attempt counted, none calls before it may, none twice that nothing hit",
  backends: bothBackends,
  short: ["redis"],
  async run(context) {
    const seconds = context.size(2, 6);
    const guests = new Map<string, Guest>();
    let next = 0;
    const peer = await startPeer(async ({ path, at }, response) => {
      const guest = guests.get(path) ?? { calls: 0, early: 0, welcomeAt: at + seconds * 1_000 };
      guests.set(path, guest);
      guest.calls += 1;
      const waitMs = guest.welcomeAt - at;
      // So that a kill finds some of them under way.
      await delay(answerTakesMs);
      if (waitMs <= 0) return void response.writeHead(200).end();
      if (guest.calls > 1) guest.early += 1;
      response.writeHead(429, { "retry-after": String(Math.ceil(waitMs / 1_000)) }).end();
    });
    try {
      const bed = await context.startBed({
        engines: ["crm"],
        env: { TL_OUTBOUND_ALLOW: peer.address },
        alone: true,
      });
      await bed.client().connections.create({
        id: "crm",
        kind: "http",
        base_url: peer.url,
        retry: { max_retry_after: "1s" },
      });
      const ledger = await context.openLedger(bed, ["crm.contact"], { refusalsExpected: true });
      const count = context.size(40, 200);
      const all = troublesOn(context.backend);
      for (const trouble of context.short ? all.slice(0, 3) : all) {
        const load = ledger.load({
          engine: "crm.contact",
          input: () => ({ path: `/${next++}` }),
          count,
          parallel: 16,
        });
        await eventually("half of them are parked", () => hasParked(bed, count / 2), {
          withinMs: 60_000,
          everyMs: 50,
        });
        // Some of them may be due by then.
        await delay(context.random() * seconds * 1_000);
        context.say(`${trouble.name}; ${await countParked(bed)} are parked`);
        await trouble.strike(bed, context, context.size(2_000, 5_000));
        await load;
      }
      const audit = await ledger.audit(context.promised(60) + seconds * 1_000);
      context.say(judgeCalls(ledger, audit, guests));
    } finally {
      await peer.close();
    }
  },
};

async function countParked(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM executions WHERE status = 'queued' AND wait_reason = 'retry_after'",
  );
  return row?.count ?? 0;
}
const hasParked = async (bed: Bed, count: number): Promise<true | null> =>
  (await countParked(bed)) >= count ? true : null;

/** One call that was told to wait and one that was taken; more only of those that were started again after a kill. */
function judgeCalls(
  { orders, accepted }: Ledger,
  { executions, moves }: Audit,
  guests: ReadonlyMap<string, Guest>,
): string {
  let hit = 0;
  let early = 0;
  const byId = Map.groupBy(moves, ({ id }) => id);
  for (const [key, id] of accepted) {
    const starts = (byId.get(id) ?? []).filter(({ to }) => to === "running").length;
    const guest = guests.get((orders.get(key) as Order & { input: { path: string } }).input.path);
    const outcomes = executions.get(id)?.attempts?.map(({ outcome }) => outcome) ?? [];
    assert(guest !== undefined, `${id} never called`);
    const what = `${id}: ${JSON.stringify({ starts, ...guest, outcomes })}`;
    if (starts === 2 && !outcomes.includes("worker_lost")) {
      assert.deepEqual(outcomes, ["parked", "succeeded"], what);
      assert(guest.calls === 2 && guest.early === 0, `called again: ${what}`);
      continue;
    }
    hit += 1;
    early += guest.early;
    assert(guest.calls <= starts, `called again: ${what}`);
  }
  return `${accepted.size} executions; ${hit} were hit while they ran, and called ${early} times before it was time`;
}
