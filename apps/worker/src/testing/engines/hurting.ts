import { execFileSync, spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

const done = z.strictObject({ done: z.boolean() });
const isolations = ["inline", "thread", "process"] as const;

/** The same engine in each kind of host: `<id>.inline`, `<id>.thread` and `<id>.process`. */
function everywhere<I extends z.ZodType>(
  id: string,
  input: I,
  run: (input: z.output<I>) => Promise<{ done: boolean }>,
) {
  return isolations.map((isolation) =>
    defineEngine({
      id: `${id}.${isolation}`,
      version: 1,
      isolation,
      memory: isolation === "process" ? 192 : 64,
      timeout: { default: "30s", max: "1h" },
      backoff: { initial: "1ms", max: "10ms" },
      maxAttempts: 2,
      input,
      output: done,
      run,
    }),
  );
}

/** Blocks the event loop. */
const spin = everywhere("test.spin", z.strictObject({ ms: z.number() }), async ({ ms }) => {
  await sleep(1);
  const end = performance.now() + ms;
  while (performance.now() < end);
  return { done: true };
});

const ways = ["exit", "exit-in-timer", "uncaught", "rejection", "swallowed-exit"] as const;

/** Ends its process, or lets an error escape. */
const crash = everywhere("test.crash", z.strictObject({ how: z.enum(ways) }), async ({ how }) => {
  await sleep(1);
  if (how === "exit") process.exit(1);
  if (how === "exit-in-timer") setTimeout(() => process.exit(1), 1);
  if (how === "uncaught") {
    setTimeout(() => {
      throw new Error("escaped");
    }, 1);
  }
  if (how === "rejection") void Promise.reject(new Error("left alone"));
  if (how === "swallowed-exit") {
    try {
      process.exit(1);
    } catch {
      // An engine that catches everything.
    }
  }
  await sleep(60_000);
  return { done: true };
});

/** Takes JavaScript heap until there is none: slowly, in small pieces, or as fast as it can. */
const leak = everywhere(
  "test.leak",
  z.strictObject({ fast: z.boolean().default(false) }),
  async ({ fast }) => {
    const kept: unknown[] = [];
    for (;;) {
      if (fast) for (;;) kept.push(Array.from({ length: 10_000 }, Math.random));
      for (let i = 0; i < 1_000; i++) kept.push({ i, text: `${i}`.repeat(20) });
      await sleep(0);
    }
  },
);

/** Takes memory outside of the JavaScript heap: in pieces, or all at once. */
const buffers = defineEngine({
  id: "test.buffers",
  version: 1,
  isolation: "process",
  memory: 256,
  maxAttempts: 1,
  input: z.strictObject({ atOnce: z.boolean(), mib: z.number() }),
  output: z.strictObject({ pid: z.number() }),
  async run({ atOnce, mib }) {
    if (atOnce) kept.push(Buffer.alloc(mib << 20, 1));
    else {
      for (let i = 0; i < mib; i++) {
        kept.push(Buffer.alloc(1 << 20, 1));
        if (i % 10 === 0) await sleep(1);
      }
    }
    // Long enough for a look at it.
    await sleep(300);
    return { pid: process.pid };
  },
});
const kept: Buffer[] = [];

const deaths = ["abort", "kill", "killed", "segv", "garbage", "hang-up"] as const;

/** Ends its process in ways that nothing in it can hold up, or breaks its connection to the worker. */
const die = defineEngine({
  id: "test.die",
  version: 1,
  isolation: "process",
  backoff: { initial: "1ms", max: "10ms" },
  maxAttempts: 2,
  input: z.strictObject({ how: z.enum(deaths) }),
  output: done,
  async run({ how }) {
    await sleep(1);
    const self = String(process.pid);
    if (how === "abort") process.abort();
    if (how === "kill") process.kill(process.pid);
    if (how === "killed") execFileSync("kill", ["-9", self]);
    if (how === "segv") execFileSync("kill", ["-SEGV", self]);
    if (how === "garbage") writeSync(3, Buffer.alloc(64, 0xff));
    if (how === "hang-up") closeSync(3);
    await sleep(60_000);
    return { done: true };
  },
});

/** Takes the whole process down that it runs in, a worker if it must. */
const poison = defineEngine({
  id: "test.poison",
  version: 1,
  input: z.strictObject({}),
  output: done,
  async run() {
    await sleep(1);
    execFileSync("kill", ["-9", String(process.pid)]);
    return { done: true };
  },
});

/** Starts a process of its own that outlives it, says which, and waits. */
const parent = defineEngine({
  id: "test.parent",
  version: 1,
  isolation: "process",
  input: z.strictObject({ ms: z.number() }),
  output: z.strictObject({ pid: z.number(), child: z.number() }),
  async run({ ms }, ctx) {
    const child = spawn("sleep", ["600"], { stdio: "ignore" }).pid ?? 0;
    ctx.log.info(`pids ${process.pid} ${child}`);
    await sleep(ms);
    return { pid: process.pid, child };
  },
});

export default [...spin, ...crash, ...leak, buffers, die, poison, parent];
