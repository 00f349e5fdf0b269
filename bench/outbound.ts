// `npm run bench:outbound`: what the guarded door adds to a plain undici call of the same kind, to the same server, in
// rounds that alternate within one run. `--rounds`, `--calls` and `--callers` change its size. Ratios travel between
// machines, times do not.
import { fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Pool } from "undici";
import {
  type CallScope,
  type Connection,
  createOutbound,
  noConnections,
  parseAllowList,
} from "../packages/outbound/src/index.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    calls: { type: "string", default: "6000" },
    callers: { type: "string", default: "16" },
    "low-load": { type: "string", default: "600" },
    parallel: { type: "string", default: "1000" },
    /** Contenders by name, separated by commas: one alone for a profile. */
    only: { type: "string" },
  },
});
const callers = Number(values.callers);

const server = fork(new URL("outbound-server.ts", import.meta.url), { execArgv: [] });
const [{ port }] = (await once(server, "message")) as [AddressInfo];
const origin = `http://127.0.0.1:${port}`;
const path = "/v2/customers/4711?expand=orders";

const pool = new Pool(origin, { connections: callers, pipelining: 1 });
const outbound = createOutbound({ allow: parseAllowList(`127.0.0.1:${port}`) });
const connection: Connection = {
  id: "crm",
  kind: "http",
  revision: 1,
  baseUrl: `${origin}/v2`,
  headers: { "x-tenant": "acme" },
  auth: { type: "bearer", token: "0123456789abcdef0123456789abcdef" },
  tls: { ca: null, certificate: null, privateKey: null },
  timeouts: { connectMs: 5000, firstByteMs: 10_000, totalMs: 30_000 },
  retry: { maxRetries: 2, initialMs: 100, maxMs: 1000, maxRetryAfterMs: 60_000 },
  methods: null,
  paths: null,
  concurrency: null,
  rate: null,
  breaker: null,
  log: { bodies: false, maxBodyBytes: 4096 },
};
const headers = {
  accept: "*/*",
  "accept-encoding": "gzip, br, zstd, deflate",
  "user-agent": "plain",
  "x-trace": "0af7651916cd43dd8448eb211c80319c",
  // What a connection adds to each call, somebody has to add to a plain one.
  "x-tenant": "acme",
  authorization: "Bearer 0123456789abcdef0123456789abcdef",
};
const mine = {
  "x-trace": headers["x-trace"],
  "x-tenant": headers["x-tenant"],
  authorization: headers.authorization,
};

/** A scope for each call, as each execution has its own. */
const scope = (): CallScope => ({
  executionId: "0199c0de-0000-7000-8000-000000000001",
  attempt: 1,
  dispatch: 1,
  signal: new AbortController().signal,
  ...noConnections,
  callLog: { record: () => undefined },
  connections: { connection: () => connection },
});
const contenders: Record<string, () => Promise<unknown>> = {
  async "plain undici"() {
    scope(); // an execution has one, whoever calls for it
    const { statusCode, body } = await pool.request({ method: "GET", path, headers });
    if (statusCode >= 400) throw new Error(String(statusCode));
    return body.json();
  },
  async "the door"() {
    const call = outbound.http(scope()).request(origin + path, { headers: mine });
    return (await call).json();
  },
  async "through a connection"() {
    const call = outbound.http(scope(), "crm").request("/customers/4711?expand=orders", {
      headers: { "x-trace": headers["x-trace"] },
    });
    return (await call).json();
  },
};

interface Figures {
  cpuMicros: number;
  /** Of the round that others on the machine disturbed least. */
  leastMicros: number;
  p50Ms: number;
}
const rounds = Number(values.rounds);
const parallel = Number(values.parallel);
if (rounds > 0) await compare();
if (parallel > 0) await (rounds > 0 ? inFreshProcess() : callAtOnce());
await outbound.close();
await pool.close();
server.disconnect();

async function compare(): Promise<void> {
  const all = new Map<string, Figures[]>(Object.keys(contenders).map((name) => [name, []]));
  const entries = Object.entries(contenders).filter(
    ([name]) => values.only === undefined || values.only.split(",").includes(name),
  );
  for (const [, call] of entries) await closedLoop(4000, call);
  for (let round = 0; round < rounds; round += 1) {
    // Each one is first as often as the others: what was before leaves the machine as it was.
    const order = entries.map((_, i) => entries[(i + round) % entries.length]);
    for (const entry of order) {
      if (!entry) continue;
      const [name, call] = entry;
      const p50Ms = await lowLoad(Number(values["low-load"]), call);
      const before = process.cpuUsage();
      await closedLoop(Number(values.calls), call);
      const used = process.cpuUsage(before);
      const cpuMicros = (used.user + used.system) / Number(values.calls);
      all.get(name)?.push({ cpuMicros, leastMicros: cpuMicros, p50Ms });
    }
  }

  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${callers} callers, medians of ${values.rounds} rounds`,
  );
  const plain = figuresOf(all, "plain undici");
  for (const name of all.keys()) {
    const { cpuMicros, leastMicros, p50Ms } = figuresOf(all, name);
    const [cpuRatio, added] = [cpuMicros / plain.cpuMicros, p50Ms - plain.p50Ms];
    const leastRatio = leastMicros / plain.leastMicros;
    console.log(
      `${name.padEnd(21)} CPU ${cpuMicros.toFixed(1)} µs/call (× ${cpuRatio.toFixed(2)}), least ${leastMicros.toFixed(1)} (× ${leastRatio.toFixed(2)}) · p50 ${p50Ms.toFixed(3)} ms (+ ${added.toFixed(3)})`,
    );
  }
}

/** As many calls as a host may have under way, half of them through a connection, and the memory that they take. */
async function callAtOnce(): Promise<void> {
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 10);
  const slow = (through: string | undefined, address: string) =>
    outbound.http(scope(), through).request(address, { timeout: "60s" });
  await Promise.all(
    Array.from({ length: parallel }, (_, i) =>
      i % 2 ? slow("crm", "/slow/500") : slow(undefined, `${origin}/slow/500`),
    ),
  );
  clearInterval(watch);
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);
  console.log(`${parallel} calls at once: RSS ${mib(before)} MiB before, ${mib(most)} MiB at most`);
}

/** Memory that the rounds before left behind must not be counted. */
async function inFreshProcess(): Promise<void> {
  const child = fork(import.meta.filename, ["--rounds", "0", "--parallel", String(parallel)]);
  await once(child, "exit");
}

async function closedLoop(calls: number, call: () => Promise<unknown>): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function lowLoad(calls: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < calls; i += 1) {
    const from = performance.now();
    await call();
    times.push(performance.now() - from);
  }
  return median(times);
}

function figuresOf(all: ReadonlyMap<string, Figures[]>, name: string): Figures {
  const figures = all.get(name) ?? [];
  return {
    cpuMicros: median(figures.map((each) => each.cpuMicros)),
    leastMicros: Math.min(...figures.map((each) => each.leastMicros)),
    p50Ms: median(figures.map((each) => each.p50Ms)),
  };
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}
