import { readdir, readFile } from "node:fs/promises";

/** A process, as Linux tells of it. */
export interface ProcessFigures {
  threads: number;
  rssMib: number;
  /** Its descendants. */
  children: number;
  /** Open file descriptors. */
  files: number;
}

/** @throws Error where there is no such process, or no /proc */
export async function processFigures(pid: number): Promise<ProcessFigures> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    threads: read("Threads"),
    rssMib: read("VmRSS") / 1_024,
    children: (await descendants(pid)).length,
    files: (await readdir(`/proc/${pid}/fd`)).length,
  };
}

/** Every process below this one. */
async function descendants(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended meanwhile. Its name may hold anything, so what counts comes after the last bracket.
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const found: number[] = [];
  let level = [pid];
  while (level.length > 0) {
    const below = [...parents].flatMap(([child, parent]) =>
      level.includes(parent) ? [child] : [],
    );
    found.push(...below);
    level = below;
  }
  return found;
}
