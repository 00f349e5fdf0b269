import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Resident memory of a process, MiB: what `ps` and `top` show as RSS, code of Node itself included. null where the
 * process is gone. Linux tells it by `/proc`; elsewhere `ps` is asked.
 */
export async function residentMib(
  pid: number,
  platform: NodeJS.Platform = process.platform,
): Promise<number | null> {
  const kib = platform === "linux" ? await byProc(pid) : await byPs(pid);
  return kib === null ? null : kib / 1_024;
}

async function byProc(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Number(kib);
}

async function byPs(pid: number): Promise<number | null> {
  const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)]).catch(() => ({
    stdout: "",
  }));
  return Number(stdout.trim()) || null;
}
