import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Pool } from "undici";

/** A system under test: how to submit one execution and see it through. */
export interface Contender {
  name: string;
  origin: string;
  /** Its own processes; shared servers are counted apart. */
  pids: number[];
  /** Submits one execution and resolves when the caller has its result. */
  roundTrip(pool: Pool): Promise<void>;
  /** Submits one execution and resolves when it is accepted. */
  submit(pool: Pool): Promise<void>;
  /** Executions that are accepted and not finished. */
  unfinished(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a Node process and waits for its sign of life. */
export async function startProcess(
  file: string,
  env: Record<string, string>,
  ready: (child: ChildProcess) => Promise<unknown> = (child) => once(child, "message"),
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [file], {
    env: {
      PATH: process.env["PATH"],
      ...(process.env["BENCH_NODE_OPTIONS"]
        ? { NODE_OPTIONS: process.env["BENCH_NODE_OPTIONS"] }
        : {}),
      ...env,
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await Promise.race([
    ready(child),
    once(child, "exit").then(([code]) => {
      throw new Error(`${file} ended with ${code}`);
    }),
  ]);
  return child;
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

/** CPU seconds that processes and all their descendants have used, from /proc. */
export function cpuSeconds(pids: number[]): number {
  const ticks = withDescendants(pids).map((pid) => {
    const fields = statOf(pid);
    // utime, stime, and those of children that have ended.
    return fields === null ? 0 : [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

/** Resident memory of each of the processes, MiB. */
export function residentMib(pids: number[]): number[] {
  return pids.map(
    (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024,
  );
}

function withDescendants(pids: number[]): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : null;
    if (fields !== null) parents.set(Number(name), Number(fields[1]));
  }
  const all = new Set(pids);
  for (let before = -1; before !== all.size;) {
    before = all.size;
    for (const [pid, parent] of parents) if (all.has(parent)) all.add(pid);
  }
  return [...all];
}

/** The fields of /proc/<pid>/stat behind the name. */
function statOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? null;
  } catch {
    return null;
  }
}
