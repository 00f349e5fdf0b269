import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

/** A process that would run for a minute, and ends with code 7 when asked to stop. */
const child = `
  const { stopWithParent } = await import(${JSON.stringify(import.meta.resolve("./stop-with-parent.ts"))});
  const running = setTimeout(() => {}, 60_000);
  stopWithParent(() => { clearTimeout(running); process.exitCode = 7; });
  process.send?.({ pid: process.pid });`;

function start(source: string, ipc: boolean): ChildProcess {
  return spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit", ...(ipc ? (["ipc"] as const) : [])],
  });
}

test("stops when the channel to its parent closes", async () => {
  const started = start(child, true);
  const ended = once(started, "exit");
  await once(started, "message");
  started.disconnect();
  expect((await ended)[0]).toBe(7);
});

test("stops when its parent is killed", async () => {
  const parent = start(
    `const { spawn } = await import("node:child_process");
     const child = spawn(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(child)}], {
       stdio: ["ignore", "inherit", "inherit", "ipc"],
     });
     child.once("message", (message) => process.send(message));`,
    true,
  );
  const [message] = (await once(parent, "message")) as [{ pid: number }];
  // The grandchild holds the pipe of its grandparent's output: its end is the end of the pipe.
  const ended = once(parent.stdout!.resume(), "end");
  parent.kill("SIGKILL");
  await ended;
  expect(message.pid).toBeGreaterThan(0);
});

test("does nothing, and keeps nothing alive, without a parent that supervises", async () => {
  const source = child.replace("setTimeout(() => {}, 60_000)", "undefined");
  const [code] = (await once(start(source, false), "exit")) as [number];
  expect(code).toBe(0);
});

test("is no reason to stay alive", async () => {
  const source = child.replace("setTimeout(() => {}, 60_000)", "undefined");
  const [code] = (await once(start(source, true), "exit")) as [number];
  expect(code).toBe(0);
});
