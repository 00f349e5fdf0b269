import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";
import { bothBackends } from "../backend.ts";
import type { CaseContext, FaultCase } from "../case.ts";
import { hookArgs } from "../entry-points/hook-from-args.ts";
import type { Audit } from "../ledger/audit.ts";
import { startPeer } from "../outside/peer.ts";
import { troublesOn } from "../outside/troubles.ts";

/** What the service was asked, as far as it looks. */
interface Ask {
  execution_id: string;
  complete: { path: string; token: string };
  input: Input;
}

interface Input {
  /** When the service says what came of it. */
  how: "soon" | "twice" | "late" | "never";
  n: number;
}

/** What the service was told when it said so: 204, 409; `lost` where an earlier answer never came. */
interface Said {
  input: Input;
  status: number;
  lost: boolean;
  nth: number;
}

const hows = ["soon", "soon", "soon", "twice", "late", "never"] as const;

export const faultCase: FaultCase = {
  id: "C5",
  promise:
    "300 executions that a service takes on by 202 and completes once, twice, too late or never, while workers (one between the 202 and its record) and APIs are killed, Redis emptied, Postgres away, its sessions cut, everything replaced: each ends once; what is not completed ends as timeout by Postgres' clock",
  backends: bothBackends,
  short: false,
  async run(context) {
    const timeoutS = context.size(3, 8);
    // After an outage what runs has its lease and 30 s more. Later than that, whichever of the outages it saw.
    const lateMs = context.size(60_000, 170_000);
    const asks = new Map<string, number>();
    const said: Said[] = [];
    const saying: Promise<unknown>[] = [];
    let bed: Bed | null = null;
    const complete = async ({ input, complete: { path, token } }: Ask): Promise<void> => {
      const { how, n } = input;
      if (how === "never") return;
      await delay(how === "late" ? lateMs : context.random() * context.size(3_000, 10_000));
      for (let nth = 1; nth <= (how === "twice" ? 2 : 1); nth++) {
        if (bed !== null) said.push({ ...(await insist(bed, path, token, n)), input, nth });
      }
    };
    const peer = await startPeer(({ text }, response) => {
      const ask = JSON.parse(text) as Ask;
      asks.set(ask.execution_id, (asks.get(ask.execution_id) ?? 0) + 1);
      response.writeHead(202).end();
      saying.push(complete(ask));
    });
    try {
      bed = await context.startBed({
        engines: ["sleep"],
        env: { TL_OUTBOUND_ALLOW: peer.address },
        alone: true,
      });
      await register(bed, peer.url);
      const ledger = await context.openLedger(bed, ["far.work"], { refusalsExpected: true });
      const count = context.size(60, 300);
      let over = false;
      const load = ledger.load({
        engine: "far.work",
        input: (n) => ({ how: hows[n % hows.length], n }),
        options: (n) => ({
          timeout: n % hows.length < 4 ? "30m" : `${timeoutS}s`,
          max_attempts: 1,
        }),
        goOn: () => !over || ledger.orders.size < count,
        parallel: 4,
        paceMs: context.size(150, 500),
      });
      await dieBeforeHandOver(context, bed);
      const all = troublesOn(context.backend);
      for (const trouble of context.short ? all.slice(0, 3) : all) {
        await delay(context.random() * context.size(1_000, 4_000));
        context.say(`${trouble.name}; ${await countHandedOver(bed)} are with the service`);
        await trouble.strike(bed, context, context.size(2_000, 5_000));
      }
      over = true;
      await load;
      // Also those who come too late have said it, and changed nothing.
      await Promise.all(saying);
      const audit = await ledger.audit(context.promised(60));
      context.say(judgeAsks(audit, asks));
      context.say(judgeTimeouts(audit, timeoutS * 1_000));
      context.say(judgeSaid(said));
    } finally {
      bed = null;
      await peer.close();
    }
  },
};

async function register(bed: Bed, url: string): Promise<void> {
  const client = bed.client();
  await client.connections.create({ id: "service", kind: "http", base_url: url });
  const [api] = bed.livingApis();
  const answer = await request(`${api?.url}/api/v1/engines`, {
    headers: { "x-api-key": bed.deployment.planeKey },
    json: {
      id: "far.work",
      version: 1,
      input_schema: { type: "object" },
      output_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      connection: "service",
      path: "/work",
    },
  });
  assert.equal(answer.status, 201, answer.text);
}

/** Says it until it is answered by somebody who knows. */
async function insist(
  bed: Bed,
  path: string,
  token: string,
  n: number,
): Promise<{ status: number; lost: boolean }> {
  for (let lost = false, turn = n; ; turn++) {
    const apis = bed.livingApis().filter(({ isReady }) => isReady);
    const api = apis[turn % Math.max(1, apis.length)];
    const answer = await request(`${api?.url}${path}`, {
      json: { output: { n } },
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
    }).catch(() => null);
    if (answer !== null && answer.status < 500) {
      assert([204, 409].includes(answer.status), `${answer.status}: ${answer.text}`);
      return { status: answer.status, lost };
    }
    lost = true;
    await delay(100);
  }
}

/**
 * The service has taken one on, and the worker that was told so dies before it is on record. It is asked again, unless it
 * completes it before that worker's lease ends.
 */
async function dieBeforeHandOver(context: CaseContext, bed: Bed): Promise<void> {
  const doomed = await bed.deployment.startWorker({
    entryPoint: "e2e/faults/entry-points/worker.ts",
    args: hookArgs({ hook: "beforeHandOver", nth: 2 }),
  });
  assert.deepEqual(await doomed.end, { code: null, signal: "SIGKILL" });
  context.say("kill -9 of a worker between the service's 202 and its record");
}

async function countHandedOver(bed: Bed): Promise<number> {
  const [row] = await bed.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM executions
      WHERE status = 'running' AND worker_id = '00000000-0000-0000-0000-000000000000'`,
  );
  return row?.count ?? 0;
}

/** The service is asked once, and again only where the one that asked was lost; never where the time was over before. */
function judgeAsks({ executions, moves }: Audit, asks: ReadonlyMap<string, number>): string {
  const byId = Map.groupBy(moves, ({ id }) => id);
  let again = 0;
  for (const [id, { error, attempts }] of executions) {
    const starts = (byId.get(id) ?? []).filter(
      ({ from, to }) => to === "running" && from !== "running",
    );
    const asked = asks.get(id) ?? 0;
    const what = `${id}: ${asked} asks, ${starts.length} starts, ${JSON.stringify(attempts)}`;
    assert(asked <= starts.length, what);
    assert(asked >= 1 || error?.code === "timeout", what);
    again += Math.max(0, asked - 1);
  }
  return `${executions.size} executions, ${again} asked for again`;
}

function judgeTimeouts({ executions }: Audit, timeoutMs: number): string {
  const timeouts = [...executions.values()].filter(({ error }) => error?.code === "timeout");
  let longest = 0;
  for (const { execution_id: id, attempts } of timeouts) {
    const last = attempts?.at(-1);
    const ms = Date.parse(last?.finished_at ?? "") - Date.parse(last?.started_at ?? "");
    assert(ms >= timeoutMs, `${id} ended as timeout after ${ms} ms of ${timeoutMs}`);
    longest = Math.max(longest, ms);
  }
  return `${timeouts.length} ended as timeout, after ${longest} ms at most where ${timeoutMs} are allowed`;
}

function judgeSaid(said: readonly Said[]): string {
  const late = said.filter(({ input }) => input.how === "late");
  assert(
    late.every(({ status }) => status === 409),
    "one that came too late was taken",
  );
  const second = said.filter(({ nth }) => nth === 2);
  assert(
    second.every(({ status }) => status === 409),
    "a second completion was taken",
  );
  const taken = Map.groupBy(
    said.filter(({ status }) => status === 204),
    ({ input }) => input.n,
  );
  const twice = [...taken].filter(([, all]) => all.length > 1);
  assert.deepEqual(twice, [], "taken twice");
  const lost = said.filter((one) => one.lost).length;
  return `${said.length} completions: ${taken.size} taken, ${late.length} too late, ${second.length} for the second time; ${lost} had to be said again`;
}
