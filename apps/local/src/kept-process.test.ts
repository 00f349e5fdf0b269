import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keepProcess, type KeptProcess } from "./kept-process.ts";
import { endLeftOverChildren, noteChildren } from "./left-over-children.ts";
import { isAlive } from "./postmaster-file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tl-engine-kept-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program that stays until it is killed, whatever SIGTERM says. */
function stubborn(): string {
  const entry = join(folder, "stubborn.mjs");
  writeFileSync(entry, `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);`);
  return entry;
}

function starts(
  name: string,
  entry: string,
): { kept: KeptProcess; next: () => Promise<number>; said: string[] } {
  const said: string[] = [];
  const pids: number[] = [];
  let hear: ((pid: number) => void) | null = null;
  const kept = keepProcess({
    name,
    entry,
    env: () => process.env,
    minDelayMs: 5,
    onEnd: (sentence) => said.push(sentence),
    onStart: (pid) => {
      if (hear !== null) hear(pid);
      else pids.push(pid);
      hear = null;
    },
  });
  const next = async (): Promise<number> =>
    pids.shift() ?? (await new Promise<number>((resolve) => (hear = resolve)));
  return { kept, next, said };
}

test("a process that ends is started again; one that is stopped is not", async () => {
  const { kept, next, said } = starts("worker", stubborn());
  const first = await next();
  process.kill(first, "SIGKILL");
  const second = await next();
  expect(second).not.toBe(first);
  expect(kept.pid).toBe(second);
  expect(kept.endsInARow).toBe(1);
  expect(said).toEqual(["The worker ended (SIGKILL); it starts again in 0.005 s."]);

  await kept.stop(20); // it takes no notice of SIGTERM, and is killed
  expect(isAlive(second)).toBe(false);
  expect(kept.pid).toBeNull();
  expect(said).toHaveLength(1);
});

test("hurry ends the patience with a process that drains", async () => {
  const { kept, next } = starts("worker", stubborn());
  const pid = await next();
  await kept.stop(60_000, AbortSignal.abort());
  expect(isAlive(pid)).toBe(false);
});

test("children of a killed supervisor are ended, other programs with their id are not", async () => {
  const entry = stubborn();
  const { kept, next } = starts("worker", entry);
  const pid = await next();
  noteChildren(folder, [
    { pid, entry },
    { pid: process.pid, entry },
  ]);
  await endLeftOverChildren(folder, 0);
  expect(await next()).not.toBe(pid);
  await kept.stop(0);
});

test("one that cannot start as things are stays down until somebody has changed something", async () => {
  const entry = join(folder, "refuses.mjs");
  writeFileSync(entry, "process.exit(78);");
  const said: string[] = [];
  const ended: (() => void)[] = [];
  const kept = keepProcess({
    name: "worker",
    entry,
    env: () => process.env,
    waitForMending: true,
    onEnd: (sentence) => {
      said.push(sentence);
      ended.shift()?.();
    },
  });
  await new Promise<void>((resolve) => ended.push(resolve));
  expect(kept).toMatchObject({ refused: true, pid: null });
  expect(said).toEqual([expect.stringContaining("cannot start")]);
  writeFileSync(entry, "setInterval(() => {}, 1_000);");
  await kept.restart(1_000);
  expect(kept.refused).toBe(false);
  expect(kept.pid).not.toBeNull();
  await kept.stop(1_000);
});
