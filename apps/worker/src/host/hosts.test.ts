import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { silentLog } from "@tl-engine/shared/log/log.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noPorts } from "../testing/no-ports.ts";
import { badOutputs, thrown } from "../testing/engines/answering.ts";
import { describeEngines, type DescribedEngine } from "./describe-engines.ts";
import { createHosts, type HostedRun, type Hosts } from "./hosts.ts";
import type { RunEnd } from "./run.ts";

const resolveFrom = pathToFileURL(`${process.cwd()}/`).href;
const module = (name: string) => ({
  url: new URL(`../testing/engines/${name}.ts`, import.meta.url).href,
  source: name,
});
const modules = ["waiting", "hurting", "answering"].map(module);
const graceMs = 400;

let described: DescribedEngine[] = [];
let hosts: Hosts;
let lines: string[];
let progress: number[];
let replaced: string[];

beforeEach(() => open(100));
afterEach(() => hosts.close());

async function open(pingEveryMs: number, waitLimitMs = 20_000): Promise<void> {
  if (described.length === 0) described = await describeEngines(modules, { resolveFrom, env: {} });
  lines = [];
  progress = [];
  replaced = [];
  hosts = createHosts({
    engines: described.map(({ module, descriptor }) => ({
      engineId: descriptor.id,
      version: descriptor.version,
      module,
      isolation: descriptor.policy.isolation,
      uses: descriptor.policy.uses,
      memoryMib: descriptor.policy.memory_mib,
      hosts: 2,
      spareProcesses: 2,
    })),
    spec: { resolveFrom, outboundAllow: "", maxOutputBytes: 8 * 1024 * 1024 },
    env: {},
    graceMs,
    log: silentLog,
    voices: {
      log: (run, level, message, fields) =>
        lines.push(`${run?.engine.engineId} ${level} ${message}${fields ?? ""}`),
      progress: (_, fraction) => progress.push(fraction),
      call: () => {},
    },
    ports: noPorts,
    onReplaced: (kind, reason) => replaced.push(`${kind}: ${reason}`),
    pingEveryMs,
    waitLimitMs,
  });
  await hosts.prepare();
}

let lastId = 0;
function run(
  engineId: string,
  input: unknown,
  options: { timeoutMs?: number; alone?: "thread" | "process" } = {},
): HostedRun {
  const found = described.find(({ descriptor }) => descriptor.id === engineId);
  if (found === undefined) throw new Error(`no engine ${engineId}`);
  lastId += 1;
  return hosts.run({
    engine: engines(engineId),
    executionId: `execution-${lastId}`,
    callerId: "plane",
    attempt: 1,
    dispatch: 1,
    inputText: JSON.stringify(input),
    traceparent: null,
    timeoutMs: options.timeoutMs ?? 30_000,
    alone: options.alone ?? null,
  });
}

function engines(engineId: string) {
  const engine = hosts.engines.find((one) => one.engineId === engineId);
  if (engine === undefined) throw new Error(`no engine ${engineId}`);
  return engine;
}

async function outputOf(hosted: HostedRun): Promise<unknown> {
  const end = await hosted.ended;
  if (end.kind !== "returned") throw new Error(`it ended otherwise: ${JSON.stringify(end)}`);
  return JSON.parse(end.outputText) as unknown;
}

async function failureOf(
  hosted: HostedRun,
): Promise<{ kind: RunEnd["kind"]; code: string; detail: string }> {
  const end = await hosted.ended;
  if (end.kind !== "threw" && end.kind !== "stopped")
    throw new Error(`it ended otherwise: ${end.kind}`);
  return { kind: end.kind, code: end.failure.code, detail: end.failure.detail };
}

test("runs engines inline, in threads, in processes, and alone", async () => {
  expect(await outputOf(run("test.sleep", { ms: 1 }))).toEqual({ slept: 1, attempt: 1 });
  expect(await outputOf(run("test.sleep", { ms: 1 }, { alone: "thread" }))).toEqual({
    slept: 1,
    attempt: 1,
  });
  expect(await outputOf(run("test.sleep", { ms: 1 }, { alone: "process" }))).toMatchObject({
    slept: 1,
  });
  expect(hosts.figures()).toMatchObject({ inline: 1, thread: 0, process: 1 });
  expect(await outputOf(run("test.spin.thread", { ms: 1 }))).toEqual({ done: true });
  expect(await outputOf(run("test.spin.process", { ms: 1 }))).toEqual({ done: true });
  expect(hosts.figures()).toMatchObject({ inline: 1, thread: 1, process: 2 });
  expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
  const many = Array.from({ length: 500 }, (_, n) => run("test.twice", { n }));
  expect(await Promise.all(many.map(outputOf))).toEqual(many.map((_, n) => ({ n: n * 2 })));
  expect(replaced).toEqual([]);
});

test("passes on lines and progress, within bounds", async () => {
  expect(await outputOf(run("test.talk", { lines: 5_000 }))).toEqual({
    key: expect.stringContaining("/step"),
  });
  expect(lines).toHaveLength(1_000);
  expect(lines[0]).toBe('test.talk info line 1{"i":1}');
  expect(lines.at(-1)).toContain("dropped");
  // The first at once, and the last with the end.
  expect(progress).toEqual([1 / 5_000, 1]);
  await outputOf(run("test.talk", { lines: 1 }));
  expect(lines).toContain("test.talk info by console");
});

describe.each(["", ".thread", ".process"])("%s", (where) => {
  test("a result that cannot be kept fails with a reason", async () => {
    for (const which of Object.keys(badOutputs)) {
      const failure = await failureOf(run(`test.bad-output${where}`, { which }));
      expect(failure.code).toBe(which === "huge" ? "output_too_large" : "output_invalid");
      expect(failure.detail).not.toBe("");
    }
  });

  test("whatever is thrown becomes a reason", async () => {
    for (const what of Object.keys(thrown)) {
      const end = await run(`test.throw${where}`, { what }).ended;
      if (end.kind !== "threw") throw new Error(end.kind);
      expect(end.failure.detail.trim()).not.toBe("");
      expect(Buffer.byteLength(end.failure.detail)).toBeLessThanOrEqual(4_096);
      expect(end.failure.retryable).toBe(what !== "terminal");
      if (what === "terminal")
        expect(end.failure).toMatchObject({ code: "upstream_error", details: { status: 404 } });
      if (what === "later") expect(end.failure.retryAfterMs).toBe(1_500);
    }
  });
});

test("an input that the engine does not take fails for good", async () => {
  const end = await run("test.sleep", { ms: "soon" }).ended;
  expect(end).toMatchObject({
    kind: "threw",
    failure: { code: "input_invalid", retryable: false },
  });
});

test("a timeout aborts the signal; an engine that honours it ends by itself", async () => {
  const startedAt = performance.now();
  const end = await run("test.sleep", { ms: 10_000 }, { timeoutMs: 150 }).ended;
  expect(end).toMatchObject({ kind: "threw", aborted: "timeout" });
  expect(Math.abs(performance.now() - startedAt - 150)).toBeLessThan(250);
  expect(replaced).toEqual([]);
  expect(await run("test.polite", {}, { timeoutMs: 100 }).ended).toMatchObject({
    kind: "returned",
    aborted: "timeout",
    outputText: '{"reason":"TimeoutError"}',
  });
});

test("an inline engine that ignores its signal is stopped alone, and its host ends after the others", async () => {
  const other = run("test.sleep", { ms: 1_000 });
  const deaf = run("test.deaf", { ms: 60_000 }, { timeoutMs: 100 });
  const end = await deaf.ended;
  if (end.kind !== "stopped") throw new Error(end.kind);
  expect(end.failure.code).toBe("timeout");
  expect(replaced).toEqual(["inline: timeout"]);
  expect(hosts.figures().inline).toBe(2);
  // New work goes on in a fresh host, while the others end in the old one.
  expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
  expect(await outputOf(other)).toMatchObject({ slept: 1_000 });
  expect(end.lingering?.withinMs).toBeGreaterThan(20_000);
  await end.lingering?.gone;
  expect(hosts.figures().inline).toBe(1);
});

test("an engine that ignores its signal is gone before it is settled where nobody else is in its host", async () => {
  for (const options of [{}, { alone: "thread" }] as const) {
    const end = await run("test.deaf", { ms: 60_000 }, { timeoutMs: 100, ...options }).ended;
    expect(end).toMatchObject({ kind: "stopped", failure: { code: "timeout" }, lingering: null });
  }
  for (const engine of ["test.spin.thread", "test.spin.process"]) {
    const end = await run(engine, { ms: 60_000 }, { timeoutMs: 100 }).ended;
    expect(end).toMatchObject({ kind: "stopped", failure: { code: "timeout" }, lingering: null });
  }
  expect(hosts.figures()).toMatchObject({ thread: 0, process: 0, alone: 0 });
});

test("a cancel aborts, and stops what does not listen", async () => {
  const listening = run("test.sleep", { ms: 10_000 });
  listening.abort("canceled");
  expect(await listening.ended).toMatchObject({ kind: "threw", aborted: "canceled" });
  const deaf = run("test.deaf", { ms: 10_000 }, { timeoutMs: 60_000 });
  deaf.abort("canceled");
  expect(await deaf.ended).toMatchObject({ kind: "stopped", aborted: "canceled" });
});

test("one that blocks the shared host makes suspects of all; alone it is found guilty", async () => {
  const innocent = [run("test.sleep", { ms: 5_000 }), run("test.sleep", { ms: 5_000 })];
  const spinning = run("test.spin.inline", { ms: 60_000 });
  for (const one of [...innocent, spinning]) {
    expect(await one.ended).toEqual({ kind: "cut_off", suspect: true });
  }
  expect(replaced).toEqual(["inline: blocked"]);
  expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
  expect(await outputOf(run("test.sleep", { ms: 10 }, { alone: "thread" }))).toMatchObject({
    slept: 10,
  });
  const guilty = await failureOf(run("test.spin.inline", { ms: 60_000 }, { alone: "thread" }));
  expect(guilty).toMatchObject({ kind: "stopped", code: "timeout" });
});

test("one that blocks the shared host while nobody else is in it is guilty at once", async () => {
  expect(await failureOf(run("test.spin.inline", { ms: 60_000 }))).toMatchObject({
    kind: "stopped",
    code: "timeout",
  });
});

test("an innocent one whose time runs out in a blocked host is no culprit", async () => {
  const innocent = run("test.sleep", { ms: 5_000 }, { timeoutMs: 100 });
  const spinning = run("test.spin.inline", { ms: 60_000 });
  expect(await innocent.ended).toEqual({ kind: "cut_off", suspect: true });
  expect(await spinning.ended).toEqual({ kind: "cut_off", suspect: true });
});

test.each(["exit", "exit-in-timer", "uncaught", "rejection", "swallowed-exit"])(
  "a crash (%s) fails the execution that did it; the others go on",
  async (how) => {
    const others = [run("test.sleep", { ms: 400 }), run("test.sleep", { ms: 500 })];
    const failure = await failureOf(run("test.crash.inline", { how }));
    expect(failure).toMatchObject({ kind: "stopped", code: "engine_crashed" });
    const cause = how.includes("exit")
      ? "process.exit(1)"
      : how === "uncaught"
        ? "escaped"
        : "left alone";
    expect(failure.detail).toContain(cause);
    expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
    for (const other of others) expect((await other.ended).kind).toBe("returned");
    for (const isolation of ["thread", "process"]) {
      expect(await failureOf(run(`test.crash.${isolation}`, { how }))).toMatchObject({
        kind: "stopped",
        code: "engine_crashed",
        detail: failure.detail,
      });
      expect(await outputOf(run(`test.spin.${isolation}`, { ms: 1 }))).toEqual({ done: true });
    }
  },
);

test.each(["thread", "process"])(
  "an engine that takes all memory of its %s ends as out_of_memory",
  async (isolation) => {
    for (const fast of [false, true, true, true]) {
      const failure = await failureOf(run(`test.leak.${isolation}`, { fast }));
      expect(failure).toMatchObject({ kind: "stopped", code: "out_of_memory" });
    }
    expect(await outputOf(run(`test.spin.${isolation}`, { ms: 1 }))).toEqual({ done: true });
  },
);

test("memory outside of the JavaScript heap of a process counts, also when it is taken at once", async () => {
  expect(await outputOf(run("test.buffers", { atOnce: true, mib: 40 }))).toMatchObject({});
  for (const atOnce of [false, true]) {
    expect(await failureOf(run("test.buffers", { atOnce, mib: 2_000 }))).toMatchObject({
      kind: "stopped",
      code: "out_of_memory",
      detail: "the engine used up the memory of its process, 256 MiB",
    });
  }
});

test("a process is used again until it has grown", async () => {
  const pids: unknown[] = [];
  for (const mib of [1, 1, 1, 100, 1]) {
    const output = await outputOf(run("test.buffers", { atOnce: true, mib }));
    pids.push((output as { pid: number }).pid);
  }
  expect(new Set(pids.slice(0, 4)).size).toBe(1);
  expect(pids[4]).not.toBe(pids[0]);
  expect(replaced).toEqual([]);
});

test.each([
  ["abort", "SIGABRT"],
  ["kill", "process.kill"],
  ["killed", "SIGKILL"],
  ["segv", "SIGSEGV"],
  ["garbage", "no message"],
  ["hang-up", "ended"],
])("a process that dies or breaks its connection (%s) fails its execution", async (how, reason) => {
  const failure = await failureOf(run("test.die", { how }));
  expect(failure).toMatchObject({ kind: "stopped", code: "engine_crashed" });
  expect(failure.detail).toContain(reason);
  expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
  expect(hosts.figures()).toMatchObject({ process: 0 });
});

test("what takes whole processes down does so alone, and that is told", async () => {
  const end = await run("test.poison", {}, { alone: "process" }).ended;
  expect(end).toMatchObject({
    kind: "stopped",
    hostDied: true,
    failure: { code: "engine_crashed" },
  });
});

test("a process of a host hears no signal that is meant for its worker, and takes along what its engine started", async () => {
  const ended = outputOf(run("test.parent", { ms: 400 }));
  const said = () => lines.find((line) => line.includes("pids"));
  await expect.poll(said, { timeout: 20_000 }).toBeDefined();
  const [pid, child] = /pids (\d+) (\d+)/.exec(lines.join())?.slice(1).map(Number) ?? [0, 0];
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.kill(pid ?? 0, signal);
  expect(await ended).toEqual({ pid, child });
  expect([isThere(pid), isThere(child)]).toEqual([true, true]);
  await hosts.close();
  expect([isThere(pid), isThere(child)]).toEqual([false, false]);
});

test("many suspects at once are brought to their end by few threads", async () => {
  const suspects = Array.from({ length: 60 }, () =>
    run("test.sleep", { ms: 1 }, { alone: "thread" }),
  );
  for (const suspect of suspects) expect(await suspect.ended).toMatchObject({ kind: "returned" });
  expect(hosts.figures().alone).toBeLessThan(16);
});

test("a cancel ends at once what has not begun, and its host serves others", async () => {
  const early = run("test.spin.process", { ms: 60_000 });
  early.abort("canceled");
  expect(await early.ended).toEqual({ kind: "cut_off", suspect: false });
  expect(await outputOf(run("test.spin.process", { ms: 1 }))).toEqual({ done: true });
});

test("what waits too long for a host of its own is given back", async () => {
  await hosts.close();
  await open(100, 5_000);
  const spinning = [1, 2].map(() => run("test.spin.process", { ms: 60_000 }));
  expect(await run("test.spin.process", { ms: 1 }).ended).toEqual({
    kind: "cut_off",
    suspect: false,
  });
  expect(hosts.figures()).toMatchObject({ process: 2 });
  for (const one of spinning) one.abort("canceled");
  for (const one of spinning) expect(await one.ended).toMatchObject({ aborted: "canceled" });
});

test("what takes all memory of the shared host makes suspects of all", async () => {
  // A heap that is nearly full may stand still for longer than the pings of the other tests allow.
  await hosts.close();
  await open(2_000);
  const innocent = run("test.sleep", { ms: 60_000 });
  const leaking = run("test.leak.inline", {});
  expect(await innocent.ended).toEqual({ kind: "cut_off", suspect: true });
  expect(await leaking.ended).toEqual({ kind: "cut_off", suspect: true });
  expect(replaced).toEqual(["inline: out_of_memory"]);
  expect(await outputOf(run("test.twice", {}))).toEqual({ n: 2 });
  const alone = run("test.leak.inline", { fast: true }, { alone: "thread" });
  expect(await failureOf(alone)).toMatchObject({ kind: "stopped", code: "out_of_memory" });
}, 90_000);

function isThere(pid: number | undefined): boolean {
  // A zombie that nobody has waited for is not there any more.
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("closing cuts off what runs", async () => {
  const runs = [
    run("test.sleep", { ms: 60_000 }),
    run("test.spin.thread", { ms: 60_000 }),
    run("test.spin.process", { ms: 60_000 }),
  ];
  await hosts.close();
  for (const one of runs) expect(await one.ended).toEqual({ kind: "cut_off", suspect: false });
});
