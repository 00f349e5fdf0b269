import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "@tl-engine/local/postmaster-file.ts";

/**
 * Waits until no other run of the fault bed is under way on this machine: what is measured is how long things take, and
 * two beds on the same cores would accuse each other.
 *
 * @param say hears that there is something to wait for
 * @returns lets the next one go
 */
export async function oneAtATime(say: (text: string) => void): Promise<() => void> {
  const file = join(tmpdir(), "tl-engine-faults.lock");
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  const release = (): void => {
    if (ownerOf(file) === process.pid) rmSync(file, { force: true });
  };
  try {
    for (let waited = false; ; waited = true) {
      try {
        // Made with its content or not at all.
        linkSync(own, file);
        process.once("exit", release);
        return release;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const owner = ownerOf(file);
      if (owner === null || !isAlive(owner)) rmSync(file, { force: true });
      else {
        if (!waited) say(`faults: waiting for another run on this machine (process ${owner})`);
        await delay(500);
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function ownerOf(file: string): number | null {
  try {
    return Number(readFileSync(file, "utf8")) || null;
  } catch {
    return null;
  }
}
