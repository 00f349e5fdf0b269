import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What a running server writes into its folder. */
export interface Postmaster {
  pid: number;
  port: number;
}

/** Reads `postmaster.pid` (line 1: process id, line 4: port); null when there is none or it is half written. */
export function readPostmaster(clusterDir: string): Postmaster | null {
  let lines: string[];
  try {
    lines = readFileSync(join(clusterDir, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  return Number.isInteger(pid) && pid > 0 && Number.isInteger(port) && port > 0
    ? { pid, port }
    : null;
}

/**
 * Removes a `postmaster.pid` that was left behind by a kill and whose process id now belongs to
 * another program. PostgreSQL looks only at whether the id is alive and would refuse to start;
 * after a restart of a container the same small ids come back, so that it happens for real.
 */
export function removeForeignPostmasterFile(clusterDir: string): void {
  const file = join(clusterDir, "postmaster.pid");
  if (!existsSync(file)) return;
  const postmaster = readPostmaster(clusterDir);
  if (postmaster !== null && isPostgres(postmaster.pid)) return;
  rmSync(file, { force: true });
}

/** Whether a process of this id is alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Whether a process of this id is alive and is a PostgreSQL server. */
export function isPostgres(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    const command = existsSync("/proc/self/cmdline")
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8")
      : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.includes("postgres");
  } catch {
    return isAlive(pid); // can't be told apart (Windows): better not to remove its file
  }
}
