import { performance } from "node:perf_hooks";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { startDeadline, type Deadline } from "./deadline.ts";
import { startHost, type EngineVoices, type Host, type HostEvents } from "./host.ts";
import { createInlineHosts, type InlineHosts } from "./inline-hosts.ts";
import type { AbortCause, EngineModule, HostSpec, RunFailure, StartMessage } from "./protocol.ts";
import type { Run, RunEnd } from "./run.ts";
import { createThreadHosts, type ThreadHosts } from "./thread-hosts.ts";
import { startWatcher } from "./watcher.ts";

/**
 * MiB of heap of the host that all inline executions share: enough for hundreds of them with inputs and outputs of
 * their usual size, little enough that one that leaks is stopped before the machine suffers.
 */
const inlineHeapMib = 512;
/** Suspects that run alone at once, each in a thread of its own; more wait for one of these. */
const aloneLimit = 16;

/** An engine version as hosts need to know it. */
export interface HostedEngine {
  engineId: string;
  version: number;
  module: EngineModule;
  isolation: "inline" | "thread";
  /** MiB of heap of a thread of its own. */
  memoryMib: number;
  /** Threads of its own at once. */
  threads: number;
}

/** An execution to run. */
export interface RunRequest {
  engine: HostedEngine;
  executionId: string;
  attempt: number;
  dispatch: number;
  inputText: string;
  traceparent: string | null;
  timeoutMs: number;
  /** In a thread of its own, though its engine is inline. */
  alone: boolean;
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
  /** Counts hosts that were taken out of use, by reason. */
  onReplaced(kind: "inline" | "thread" | "alone", reason: string): void;
  /** ms between pings; a second where it is left out. */
  pingEveryMs?: number;
}

/** All threads in which this worker runs engines. */
export interface Hosts {
  readonly engines: readonly HostedEngine[];
  /** Resolves when the host of inline engines stands ready. */
  prepare(): Promise<void>;
  run(request: RunRequest): HostedRun;
  figures(): { inline: number; thread: number; alone: number };
  /** Ends all hosts at once; what runs in them is cut off. */
  close(): Promise<void>;
}

type Kind = "inline" | "thread" | "alone";

/** See {@link Hosts}. */
export function createHosts(options: HostsOptions): Hosts {
  const { log, voices, graceMs } = options;
  const inlineModules = modulesOf(
    options.engines.filter((engine) => engine.isolation === "inline"),
  );
  const requestOf = new WeakMap<Run, RunRequest>();
  let closed = false;
  let lastKey = 0;
  let lastHost = 0;

  const start =
    (kind: Kind, modules: EngineModule[], heapMib: number, what: string) =>
    (events: HostEvents): Host => {
      lastHost += 1;
      return startHost({
        name: `${kind} ${lastHost}${what}`,
        spec: { ...options.spec, modules },
        heapMib,
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
      });
    };

  const inline: InlineHosts = createInlineHosts({
    startHost: start("inline", inlineModules, inlineHeapMib, ""),
    onReplaced: (reason) => options.onReplaced("inline", reason),
    log,
  });
  const threads = new Map<HostedEngine, ThreadHosts>();
  const alone = new Map<HostedEngine, ThreadHosts>();
  for (const engine of options.engines) {
    const name = ` ${engine.engineId}@${engine.version}`;
    if (engine.isolation === "thread") {
      threads.set(
        engine,
        createThreadHosts({
          startHost: start("thread", [engine.module], engine.memoryMib, name),
          onReplaced: (reason) => options.onReplaced("thread", reason),
          reuse: true,
          limit: engine.threads,
        }),
      );
    } else {
      alone.set(
        engine,
        createThreadHosts({
          startHost: start("alone", [engine.module], inlineHeapMib, name),
          onReplaced: (reason) => options.onReplaced("alone", reason),
          reuse: false,
          limit: aloneLimit,
        }),
      );
    }
  }

  const watcher = startWatcher({
    hosts: () => [...inline.all(), ...[...alone.values()].flatMap((hosts) => hosts.all())],
    onBlocked(host) {
      const owner = [...alone.values()].find((hosts) => hosts.all().includes(host)) ?? inline;
      owner.blocked(host);
    },
    ...(options.pingEveryMs === undefined ? {} : { everyMs: options.pingEveryMs }),
  });

  function ownerOf(request: RunRequest): InlineHosts | ThreadHosts {
    return (
      threads.get(request.engine) ??
      (request.alone ? (alone.get(request.engine) ?? inline) : inline)
    );
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
      lastKey += 1;

      const run: Run = {
        message: startMessage(lastKey, request),
        overdueAt: Infinity,
        aborted: null,
        begun() {
          run.overdueAt = performance.now() + request.timeoutMs + graceMs;
          deadline = startDeadline(request.timeoutMs, () => abort("timeout"));
        },
        end(end) {
          if (isOver) return;
          isOver = true;
          deadline?.cancel();
          ended.resolve(end);
        },
      };
      requestOf.set(run, request);

      function abort(cause: AbortCause): void {
        if (isOver || run.aborted !== null) return;
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
      thread: countHosts(threads),
      alone: countHosts(alone),
    }),

    async close() {
      closed = true;
      watcher.stop();
      const owners = [inline, ...threads.values(), ...alone.values()];
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

function modulesOf(engines: readonly HostedEngine[]): EngineModule[] {
  return [...new Map(engines.map(({ module }) => [module.url, module])).values()];
}

function countHosts(pools: ReadonlyMap<HostedEngine, ThreadHosts>): number {
  let count = 0;
  for (const pool of pools.values()) count += pool.all().length;
  return count;
}
