import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { eventually } from "../../support/eventually.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { workerKilled } from "../faults/processes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { startPeer } from "../outside/peer.ts";
import { troublesOn } from "../outside/troubles.ts";

/** A delivery of a worker that is killed is due again after so long, ms, by the lease of its claim. */
const claimMs = 60_000;

/** Who was told what: execution → `webhook-id` → how often. */
interface Receiver {
  readonly told: Map<string, Map<string, number>>;
  /** Answers nothing. */
  holds: boolean;
  /** The ids of what it holds. */
  readonly held: Map<string, ServerResponse>;
}

export const faultCase: FaultCase = {
  id: "C4",
  promise:
    "300 executions with callbacks, while a worker is killed between the POST and its record, Redis emptied, Postgres away, its sessions cut, everything replaced: each that ended is told, under one id; exactly once where there was no fault",
  backends: bothBackends,
  short: false,
  async run(context) {
    const receiver: Receiver = { told: new Map(), holds: false, held: new Map() };
    const peer = await startPeer(({ headers, text }, response) => {
      const { data } = JSON.parse(text) as { data: { execution_id: string } };
      const id = String(headers["webhook-id"]);
      const ids = receiver.told.get(data.execution_id) ?? new Map<string, number>();
      receiver.told.set(data.execution_id, ids.set(id, (ids.get(id) ?? 0) + 1));
      if (receiver.holds) receiver.held.set(id, response);
      else response.writeHead(204).end();
    });
    try {
      const bed = await context.startBed({
        engines: ["sleep"],
        env: { TL_OUTBOUND_ALLOW: `callback:${peer.address}` },
        alone: true,
      });
      const count = context.size(60, 300);
      const ledger = await context.openLedger(bed, ["echo"], { refusalsExpected: true });
      const load = (n: number): Promise<void> =>
        ledger.load({
          engine: "echo",
          input: (nth) => ({ nth }),
          callback: () => ({ url: `${peer.url}/hook` }),
          count: n,
          parallel: 4,
          paceMs: 20,
        });

      await load(count / 3);
      await untilDelivered(bed, ledger, 30_000);
      const twice = ledgerIds(ledger).filter((id) => timesTold(receiver, id) !== 1);
      assert.deepEqual(twice, [], "told more or less than once, without a fault");

      const others = load((count * 2) / 3);
      await killBetween(context, bed, receiver);
      for (const trouble of troublesOn(context.backend)) {
        if (trouble === workerKilled) continue;
        context.say(`${trouble.name}; ${await countPending(bed)} have to be told`);
        const more = load(count / 10);
        await trouble.strike(bed, context, context.size(2_000, 5_000));
        await more;
      }
      await others;
      await ledger.audit(context.promised(60));
      await untilDelivered(bed, ledger, claimMs + context.promised(30));
      context.say(judgeTold(ledger, receiver));
    } finally {
      await peer.close();
    }
  },
};

const ledgerIds = ({ accepted }: Ledger): string[] => [...accepted.values()];

function timesTold({ told }: Receiver, id: string): number {
  return [...(told.get(id)?.values() ?? [])].reduce((sum, times) => sum + times, 0);
}

async function countPending(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM callback_deliveries WHERE status = 'pending'",
  );
  return row?.count ?? 0;
}

/** One delivery for each execution, and each of them delivered. */
async function untilDelivered(bed: Bed, ledger: Ledger, withinMs: number): Promise<void> {
  await eventually(
    "all of them are told",
    async () => {
      const rows = await bed.query<{ status: string; count: number }>(
        "SELECT status, count(*)::int AS count FROM callback_deliveries GROUP BY status",
      );
      assert.deepEqual(rows, [{ status: "delivered", count: ledger.accepted.size }]);
      return true;
    },
    { withinMs, everyMs: 200 },
  );
}

/** Kills the worker that has sent what the receiver has not answered yet. */
async function killBetween(context: CaseContext, bed: Bed, receiver: Receiver): Promise<void> {
  receiver.holds = true;
  const victim = await eventually(
    "a worker has sent what is not answered",
    async () => {
      const [row] = await bed.query<{ worker: string }>(
        `SELECT claimed_by AS worker FROM callback_deliveries
          WHERE status = 'pending' AND id = ANY($1) AND claimed_until > now()`,
        [[...receiver.held.keys()]],
      );
      return row === undefined ? null : bed.workerById(row.worker);
    },
    { withinMs: 30_000, everyMs: 50 },
  );
  context.say(`kill -9 of a worker between the POST and its record; ${receiver.held.size} wait`);
  await victim.kill();
  receiver.holds = false;
  for (const response of receiver.held.values()) response.writeHead(204).end();
  receiver.held.clear();
  await bed.complete();
}

function judgeTold(ledger: Ledger, receiver: Receiver): string {
  let again = 0;
  for (const id of ledgerIds(ledger)) {
    const ids = receiver.told.get(id);
    assert.equal(ids?.size, 1, `${id} was told under ${JSON.stringify([...(ids ?? [])])}`);
    again += timesTold(receiver, id) - 1;
  }
  assert(again > 0, "nobody was killed between a POST and its record");
  assert.equal(receiver.told.size, ledger.accepted.size, "somebody else was told of");
  return `${ledger.accepted.size} executions told of, ${again} of them once more under the same id`;
}
