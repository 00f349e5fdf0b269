import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import type { Log } from "@tl-engine/shared/log/log.ts";
import type { AskPorts } from "./answering.ts";
import { startDeadline, type Deadline } from "./deadline.ts";
import { startHost, type EngineVoices, type Host, type HostEvents } from "./host.ts";
import { createInlineHosts, type InlineHosts } from "./inline-hosts.ts";
import type { AbortCause, EngineModule, HostSpec, RunFailure, StartMessage } from "./protocol.ts";
import type { RemoteOrder } from "./remote-order.ts";
import type { HostMemory, StartCarrier } from "./carrier.ts";
import { startProcess } from "./process-carrier.ts";
import type { Run, RunEnd } from "./run.ts";
import { createSingleRunHosts, type SingleRunHosts } from "./single-run-hosts.ts";
import { createStartGate } from "./start-gate.ts";
import { startThread } from "./thread-carrier.ts";
import { startWatcher } from "./watcher.ts";

/**
 * MiB of heap of the host that all inline executions share: enough for hundreds of them with inputs and outputs of
 * their usual size, little enough that one that leaks is stopped before the machine suffers.
 */
const inlineHeapMib = 512;
/**
 * Suspects that run alone at once, each in a thread of its own; more wait for one of these. Threads, since what is held
 * against them happened inside of one, which a thread bounds; a process takes five times the memory, and all that
 * shared a blocked host come at once.
 */
const aloneLimit = 16;
/** MiB of a process for an engine that has none of its own beyond its JavaScript heap: its buffers were not counted. */
const roomBesideHeapMib = 512;
/**
 * MiB of a process that are not JavaScript heap: Node itself, and what runs the engine (some 80, of which processes share
 * the half). With so much less for the heap V8 collects garbage before all of it together reaches the limit.
 */
const processMib = 96;

/** Pings that a shared host may leave unanswered before it counts as blocked: all that run there wait. */
const sharedPings = 5;
/** The same for a host in which one runs alone. Nobody waits for it, and on a busy machine it may lack a core. */
const alonePings = 15;

export type Isolation = "inline" | "thread" | "process";

/** An engine version as hosts need to know it. */
export interface HostedEngine {
  engineId: string;
  version: number;
  module: EngineModule;
  isolation: Isolation;
  /** The clients that it may have: the words of its `uses`. */
  uses: readonly string[];
  /** MiB: JavaScript heap of a thread of its own, or all resident memory of a process. */
  memoryMib: number;
  /** Threads or processes of its own at once. */
  hosts: number;
  /** Processes at once for those of its executions that have to run in one, whatever its isolation is. */
  spareProcesses: number;
}

/** An execution to run. */
export interface RunRequest {
  engine: HostedEngine;
  executionId: string;
  callerId: string;
  attempt: number;
  dispatch: number;
  inputText: string;
  traceparent: string | null;
  timeoutMs: number;
  /**
   * In a host of its own: a thread where it may have blocked or crashed a shared one, a process where it may have
   * taken whole workers down.
   */
  alone: "thread" | "process" | null;
  /** Only of a remote engine: how its service is asked. That is always done in the inline host. */
  remote?: RemoteOrder | undefined;
}

/** An execution in a host. */
export interface HostedRun {
  readonly request: RunRequest;
  readonly ended: Promise<RunEnd>;
  /** Aborts its signal. What does not end by itself within the grace period is stopped. */
  abort(cause: AbortCause): void;
}

export interface HostsOptions {
  engines: readonly HostedEngine[];
  spec: Omit<HostSpec, "modules">;
  /** The environment that engines see. */
  env: Record<string, string | undefined>;
  /** What an engine that ignores its signal is given before it is stopped, ms. */
  graceMs: number;
  log: Log;
  voices: {
    log(
      run: RunRequest | null,
      level: "debug" | "info" | "warn" | "error",
      message: string,
      fields: string | null,
    ): void;
    progress(run: RunRequest, fraction: number, message: string | null): void;
    call: EngineVoices["call"];
  };
  /** Answers what engines' clients ask. */
  ports: AskPorts<RunRequest>;
  /** Counts hosts that were taken out of use, by reason. */
  onReplaced(kind: HostKind, reason: string): void;
  /** ms between pings; a second where it is left out. */
  pingEveryMs?: number;
  /**
   * ms that an execution waits for a host that is ready before it is given back; 20 s where it is left out. Others may
   * have room, and its deadline must not pass here.
   */
  waitLimitMs?: number;
}

/** What a host is for: `alone` are threads for suspects; `process` are all that are processes. */
export type HostKind = Isolation | "alone";

/** All threads and processes in which this worker runs engines. */
export interface Hosts {
  readonly engines: readonly HostedEngine[];
  /** Resolves when the host of inline engines stands ready. */
  prepare(): Promise<void>;
  run(request: RunRequest): HostedRun;
  /** How many there are now. */
  figures(): Record<HostKind, number>;
  /** Ends all hosts at once; what runs in them is cut off. */
  close(): Promise<void>;
}

const carriers: Record<HostKind, StartCarrier> = {
  inline: startThread,
  alone: startThread,
  thread: startThread,
  process: startProcess,
};

/** See {@link Hosts}. */
export function createHosts(options: HostsOptions): Hosts {
  const { log, voices, graceMs } = options;
  const inlineModules = modulesOf(
    options.engines.filter((engine) => engine.isolation === "inline"),
  );
  const requestOf = new WeakMap<Run, RunRequest>();
  const ports = portsOfRuns(options.ports, requestOf);
  let closed = false;
  let lastKey = 0;
  let lastHost = 0;

  const start =
    (kind: HostKind, modules: EngineModule[], memory: HostMemory, what = "") =>
    (events: HostEvents): Host => {
      lastHost += 1;
      return startHost({
        name: `${kind} ${lastHost}${what}`,
        carrier: carriers[kind],
        spec: { ...options.spec, modules },
        memory,
        env: options.env,
        events,
        log,
        voices: {
          log: (run, line) => {
            const request = run === null ? null : (requestOf.get(run) ?? null);
            voices.log(request, line.level, line.message, line.fields);
          },
          progress: (run, fraction, message) => {
            const request = requestOf.get(run);
            if (request !== undefined) voices.progress(request, fraction, message);
          },
          call: voices.call,
        },
        ports,
      });
    };

  const inlineMemory = memoryOf("inline", 0);
  const inline: InlineHosts = createInlineHosts({
    startHost: start("inline", inlineModules, inlineMemory),
    onReplaced: (reason) => options.onReplaced("inline", reason),
    log,
  });
  /** Hosts of engines that have their own. */
  const own = new Map<HostedEngine, SingleRunHosts>();
  /** Threads for suspects among inline executions. */
  const alone = new Map<HostedEngine, SingleRunHosts>();
  /** They are needed by the dozen when a host was blocked. */
  const gate = createStartGate(Math.max(2, availableParallelism()));
  /** Processes for what was lost with whole workers. */
  const spare = new Map<HostedEngine, SingleRunHosts>();
  for (const engine of options.engines) {
    const { isolation } = engine;
    const name = ` ${engine.engineId}@${engine.version}`;
    const pool = (kind: HostKind, memory: HostMemory, limit: number): SingleRunHosts =>
      createSingleRunHosts({
        startHost: start(kind, [engine.module], memory, name),
        onReplaced: (reason) => options.onReplaced(kind, reason),
        limit,
        gate: kind === isolation ? null : gate,
      });
    const memory = memoryOf(isolation, engine.memoryMib);
    if (isolation === "inline") {
      alone.set(engine, pool("alone", inlineMemory, aloneLimit));
    } else {
      own.set(engine, pool(isolation, memory, engine.hosts));
    }
    spare.set(engine, pool("process", memory, engine.spareProcesses));
  }
  /** The pools in which nobody may block the event loop: a host of its own may be kept busy until its timeout. */
  const pinged = (): SingleRunHosts[] => [
    ...alone.values(),
    ...[...spare].flatMap(([engine, pool]) => (engine.isolation === "inline" ? [pool] : [])),
  ];

  const everyMs = options.pingEveryMs ?? 1_000;
  const watchers = [
    startWatcher({
      hosts: () => inline.all(),
      onBlocked: (host) => inline.blocked(host),
      limit: sharedPings,
      everyMs,
    }),
    startWatcher({
      hosts: () => pinged().flatMap((pool) => pool.all()),
      onBlocked: (host) =>
        pinged()
          .find((pool) => pool.all().includes(host))
          ?.blocked(host),
      limit: alonePings,
      everyMs,
    }),
  ];

  function ownerOf({ engine, alone: apart }: RunRequest): InlineHosts | SingleRunHosts {
    const pool = apart === "process" ? spare.get(engine) : own.get(engine);
    return pool ?? (apart === null ? null : alone.get(engine)) ?? inline;
  }

  return {
    engines: options.engines,
    async prepare() {
      if (inlineModules.length > 0) await inline.prepare();
    },

    run(request) {
      const owner = ownerOf(request);
      const ended = Promise.withResolvers<RunEnd>();
      let deadline: Deadline | null = null;
      let isOver = false;
      let hasBegun = false;
      lastKey += 1;
      const waiting = setTimeout(giveUp, options.waitLimitMs ?? 20_000);

      const run: Run = {
        message: startMessage(lastKey, request),
        overdueAt: Infinity,
        aborted: null,
        begun() {
          hasBegun = true;
          clearTimeout(waiting);
          run.overdueAt = performance.now() + request.timeoutMs + graceMs;
          deadline = startDeadline(request.timeoutMs, () => abort("timeout"));
        },
        end(end) {
          if (isOver) return;
          isOver = true;
          clearTimeout(waiting);
          deadline?.cancel();
          ended.resolve(end);
        },
      };
      requestOf.set(run, request);

      function giveUp(): void {
        owner.drop(run);
        run.end({ kind: "cut_off", suspect: false });
      }

      function abort(cause: AbortCause): void {
        if (isOver || run.aborted !== null) return;
        if (!hasBegun) {
          giveUp();
          return;
        }
        run.aborted = cause;
        owner.abort(run);
        deadline?.cancel();
        deadline = startDeadline(graceMs, overdue);
        run.overdueAt = deadline.dueAt;
      }

      function overdue(): void {
        if (!owner.isResponsive(run)) {
          // Perhaps a neighbour blocks the host that they share: the watcher finds out which of them it is.
          deadline = startDeadline(1_000, overdue);
          return;
        }
        owner.stop(run, overdueFailure(request, run.aborted, graceMs));
      }

      if (closed) run.end({ kind: "cut_off", suspect: false });
      else owner.run(run);
      return { request, ended: ended.promise, abort };
    },

    figures: () => ({
      inline: inline.all().length,
      thread: countHosts(own, "thread"),
      process: countHosts(own, "process") + countHosts(spare),
      alone: countHosts(alone),
    }),

    async close() {
      closed = true;
      for (const watcher of watchers) watcher.stop();
      const owners = [inline, ...own.values(), ...alone.values(), ...spare.values()];
      await Promise.all(owners.map((owner) => owner.close()));
    },
  };
}

function startMessage(key: number, request: RunRequest): StartMessage {
  return {
    kind: "start",
    key,
    engineId: request.engine.engineId,
    version: request.engine.version,
    executionId: request.executionId,
    attempt: request.attempt,
    dispatch: request.dispatch,
    inputText: request.inputText,
    traceparent: request.traceparent,
    ...(request.engine.uses.length === 0 ? {} : { calls: callsOf(request) }),
    ...(request.remote === undefined ? {} : { remote: request.remote }),
  };
}

function callsOf({ callerId, timeoutMs }: RunRequest): NonNullable<StartMessage["calls"]> {
  return { callerId, timeoutMs };
}

/** The same ports, asked by what hosts know of a run. */
function portsOfRuns(
  ports: AskPorts<RunRequest>,
  requestOf: WeakMap<Run, RunRequest>,
): AskPorts<Run> {
  const request = (run: Run): RunRequest => {
    const found = requestOf.get(run);
    if (found === undefined) throw new Error("a run that nobody asked for");
    return found;
  };
  return {
    ...ports,
    connection: async (run, ...rest) => ports.connection(request(run), ...rest),
    enter: async (run, ...rest) => ports.enter(request(run), ...rest),
    token: async (run, ...rest) => ports.token(request(run), ...rest),
    called: (run, ...rest) => ports.called(request(run), ...rest),
  };
}

function overdueFailure(
  request: RunRequest,
  aborted: AbortCause | null,
  graceMs: number,
): RunFailure {
  const ignored = `did not end within ${graceMs} ms after its signal aborted, and was stopped`;
  const detail =
    aborted === "timeout"
      ? `the attempt reached its timeout of ${request.timeoutMs} ms, ${ignored}`
      : `the attempt ${ignored}`;
  return { code: "timeout", detail, retryable: true };
}

/** The memory of a host that runs an engine with this isolation, also where it runs in a process all the same. */
function memoryOf(isolation: Isolation, memoryMib: number): HostMemory {
  if (isolation === "process") return { heapMib: memoryMib - processMib, rssMib: memoryMib };
  const heapMib = isolation === "inline" ? inlineHeapMib : memoryMib;
  return { heapMib, rssMib: heapMib + roomBesideHeapMib };
}

function modulesOf(engines: readonly HostedEngine[]): EngineModule[] {
  return [...new Map(engines.map(({ module }) => [module.url, module])).values()];
}

function countHosts(pools: ReadonlyMap<HostedEngine, SingleRunHosts>, only?: Isolation): number {
  let count = 0;
  for (const [engine, pool] of pools) {
    if (only === undefined || engine.isolation === only) count += pool.all().length;
  }
  return count;
}
