import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, isPostgres, readPostmaster } from "@tl-engine/local/postmaster-file.ts";

const prefix = "tl-engine-test-";

/** A folder for this process' servers, named so that a later run sees when its owner is gone. */
export function makeRunFolder(): string {
  return mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
}

/** Has a process of ours ended by the next run where we are killed, and cannot end it. @returns to be called at its end */
export function noteProcess(pid: number, entry: string): () => void {
  const folder = makeRunFolder();
  writeFileSync(join(folder, "process.json"), JSON.stringify({ pid, entry }));
  return () => rmSync(folder, { recursive: true, force: true });
}

/** Ends the servers and removes the folders of runs that were killed before they could do it. */
export function sweepLeftBehind(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(prefix)
      ? Number(name.slice(prefix.length).split("-")[0])
      : Number.NaN;
    if (!Number.isInteger(owner) || isAlive(owner)) continue;
    const folder = join(tmpdir(), name);
    const postmaster = readPostmaster(join(folder, "postgres"));
    if (postmaster !== null && isPostgres(postmaster.pid)) process.kill(postmaster.pid, "SIGQUIT");
    endRedis(join(folder, "redis.pid"));
    endProcess(join(folder, "process.json"));
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // The server is still on its way down and writes; the next run removes it.
    }
  }
}

function endRedis(pidFile: string): void {
  if (existsSync(pidFile)) endIfIt(Number(readFileSync(pidFile, "utf8")), "redis-server");
}

function endProcess(file: string): void {
  if (!existsSync(file)) return;
  const { pid, entry } = JSON.parse(readFileSync(file, "utf8")) as { pid: number; entry: string };
  endIfIt(pid, entry);
}

/** Kills the process where its command still is what it was: ids are given out again. */
function endIfIt(pid: number, command: string): void {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(command))
      process.kill(pid, "SIGKILL");
  } catch {
    // It is gone, or this system doesn't tell what a process is.
  }
}
