// `npm run bench`: tl-engine against a plain build of the same parts, interleaved in one run. `--rounds`, `--executions`
// and `--callers` change its size. Ratios travel between machines, rates do not.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startEmbeddedPostgres } from "../apps/local/src/embedded-postgres.ts";
import { startRedisServer } from "../test/redis-server.ts";
import type { Contender } from "./contender.ts";
import { measure, type Figures } from "./measure.ts";
import { startPlain } from "./plain/contender.ts";
import { startTlEngine } from "./tl-engine.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    executions: { type: "string", default: "5000" },
    callers: { type: "string", default: "64" },
    "low-load": { type: "string", default: "200" },
  },
});
const load = {
  executions: Number(values.executions),
  callers: Number(values.callers),
  lowLoad: Number(values["low-load"]),
};

const folder = mkdtempSync(join(tmpdir(), "tl-bench-"));
// Durable as in production: no shortcut for either side.
const postgres = await startEmbeddedPostgres({ dataDir: folder });
const redis = await startRedisServer({ args: ["--appendonly", "yes", "--dir", folder] });
const serverPids = [postgres.pid, await redisPid(redis.url)];
const url = postgres.connectionString();
const starts: (() => Promise<Contender>)[] = [
  () => startTlEngine(url, `${redis.url}/0`),
  () => startPlain(url, `${redis.url}/1`),
  () => startTlEngine(url, null),
];
const all = new Map<string, Figures[]>();
try {
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const start of starts) {
      const contender = await start();
      try {
        const figures = await measure(contender, serverPids, load);
        all.set(contender.name, [...(all.get(contender.name) ?? []), figures]);
        print(`round ${round}: ${contender.name}`, figures);
      } finally {
        await contender.stop();
      }
    }
  }
} finally {
  await redis.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

console.log(
  `\n${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${load.callers} callers, medians of ${values.rounds} rounds`,
);
const middle = new Map([...all].map(([name, figures]) => [name, medianOf(figures)]));
for (const [name, figures] of middle) print(name, figures);
const [ours, plain] = [middle.get("tl-engine"), middle.get("plain Hono + pg + BullMQ")];
if (ours && plain) {
  console.log("\ntl-engine ÷ plain build");
  console.log(`  accept/s       ${(ours.acceptPerSecond / plain.acceptPerSecond).toFixed(2)}`);
  console.log(`  end-to-end/s   ${(ours.endToEndPerSecond / plain.endToEndPerSecond).toFixed(2)}`);
  console.log(`  CPU            ${(ours.cpuSecondsPer10k / plain.cpuSecondsPer10k).toFixed(2)}`);
  console.log(`  low load p50   ${(ours.lowLoadMs.p50 / plain.lowLoadMs.p50).toFixed(2)}`);
}

async function redisPid(url: string): Promise<number> {
  const client = new Redis(url);
  const info = await client.info("server");
  client.disconnect();
  return Number(/process_id:(\d+)/.exec(info)?.[1]);
}

function print(title: string, figures: Figures): void {
  console.log(
    `${title}\n  accept/s ${figures.acceptPerSecond.toFixed(0)} · end-to-end/s ${figures.endToEndPerSecond.toFixed(0)} · ` +
      `CPU-s per 10k ${figures.cpuSecondsPer10k.toFixed(2)} · low load p50 ${figures.lowLoadMs.p50.toFixed(1)} ms, p99 ` +
      `${figures.lowLoadMs.p99.toFixed(1)} ms · MiB idle ${figures.idleMib.map(Math.round).join(" + ")}, after load ` +
      figures.loadedMib.map(Math.round).join(" + "),
  );
}

function medianOf(list: Figures[]): Figures {
  const median = (pick: (figures: Figures) => number): number => {
    const sorted = list.map(pick).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  const each = (pick: (figures: Figures) => number[]) =>
    (list[0] ? pick(list[0]) : []).map((_, index) =>
      median((figures) => pick(figures)[index] ?? 0),
    );
  return {
    acceptPerSecond: median((f) => f.acceptPerSecond),
    endToEndPerSecond: median((f) => f.endToEndPerSecond),
    cpuSecondsPer10k: median((f) => f.cpuSecondsPer10k),
    lowLoadMs: { p50: median((f) => f.lowLoadMs.p50), p99: median((f) => f.lowLoadMs.p99) },
    idleMib: each((f) => f.idleMib),
    loadedMib: each((f) => f.loadedMib),
  };
}
