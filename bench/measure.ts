import { Pool } from "undici";
import { cpuSeconds, residentMib, type Contender } from "./contender.ts";

/** Figures of one contender in one round. */
export interface Figures {
  acceptPerSecond: number;
  endToEndPerSecond: number;
  cpuSecondsPer10k: number;
  lowLoadMs: { p50: number; p99: number };
  idleMib: number[];
  loadedMib: number[];
}

export interface Load {
  /** Executions that go through in the closed loop. */
  executions: number;
  /** Callers that each wait for their result before they submit again. */
  callers: number;
  /** Executions submitted one after the other, each waited for. */
  lowLoad: number;
}

/** Measures a contender; servers' pids are those of Postgres and Redis, counted into the CPU seconds. */
export async function measure(
  contender: Contender,
  serverPids: number[],
  load: Load,
): Promise<Figures> {
  const pool = new Pool(contender.origin, { connections: load.callers });
  const idleMib = residentMib(contender.pids);
  await closedLoop(500, 16, () => contender.roundTrip(pool));

  const times: number[] = [];
  for (let i = 0; i < load.lowLoad; i += 1) {
    const from = performance.now();
    await contender.roundTrip(pool);
    times.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  const pids = [...contender.pids, ...serverPids];
  const cpuBefore = cpuSeconds(pids);
  const endToEndSeconds = await closedLoop(load.executions, load.callers, () =>
    contender.roundTrip(pool),
  );
  const cpu = cpuSeconds(pids) - cpuBefore;

  const acceptSeconds = await closedLoop(load.executions, load.callers, () =>
    contender.submit(pool),
  );
  while ((await contender.unfinished()) > 0)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const loadedMib = residentMib(contender.pids);
  await pool.close();
  times.sort((a, b) => a - b);
  return {
    acceptPerSecond: load.executions / acceptSeconds,
    endToEndPerSecond: load.executions / endToEndSeconds,
    cpuSecondsPer10k: (cpu / load.executions) * 10_000,
    lowLoadMs: { p50: at(times, 0.5), p99: at(times, 0.99) },
    idleMib,
    loadedMib,
  };
}

/** Does it `count` times with `callers` at once. @returns seconds */
async function closedLoop(
  count: number,
  callers: number,
  work: () => Promise<void>,
): Promise<number> {
  let left = count;
  const from = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left > 0) {
        left -= 1;
        await work();
      }
    }),
  );
  return (performance.now() - from) / 1_000;
}

function at(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
