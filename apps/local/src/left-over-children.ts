import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writePrivateFile } from "./local-secrets.ts";
import { isAlive } from "./postmaster-file.ts";

/** A child as it is noted in the data folder. */
interface NotedChild {
  pid: number;
  entry: string;
}

/** Notes the children that run, for a next start after a kill. */
export function noteChildren(dataDir: string, children: readonly NotedChild[]): void {
  writePrivateFile(fileIn(dataDir), `${JSON.stringify(children)}\n`);
}

export function forgetChildren(dataDir: string): void {
  rmSync(fileIn(dataDir), { force: true });
}

/**
 * Waits for the children of a supervisor that was killed: they stop by themselves once it is gone, but
 * until then they hold its port. Those that take longer than `patienceMs` are killed; what they ran is
 * taken back by the reconciler, as after any crash.
 */
export async function endLeftOverChildren(dataDir: string, patienceMs = 5_000): Promise<void> {
  const left = readNoted(dataDir).filter(isOurs);
  for (const { pid } of left) signal(pid, "SIGTERM");
  const deadline = performance.now() + patienceMs;
  while (left.some(isOurs) && performance.now() < deadline) await delay(50);
  for (const child of left.filter(isOurs)) signal(child.pid, "SIGKILL");
  while (left.some(isOurs)) await delay(20);
  forgetChildren(dataDir);
}

/** Whether the process of this id still is that child, and not another program that got its id. */
function isOurs({ pid, entry }: NotedChild): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(entry);
  } catch {
    return false; // gone, or a system that doesn't tell: its children have stopped by themselves
  }
}

function readNoted(dataDir: string): NotedChild[] {
  try {
    return JSON.parse(readFileSync(fileIn(dataDir), "utf8")) as NotedChild[];
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It went in this moment.
  }
}

function fileIn(dataDir: string): string {
  return join(dataDir, "children.json");
}
