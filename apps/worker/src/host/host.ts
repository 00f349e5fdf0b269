import { Worker } from "node:worker_threads";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { relayOutput } from "./relay-output.ts";
import { heapBounds, watchHeap } from "./watch-heap.ts";
import { createOutbox } from "./outbox.ts";
import type {
  AbortCause,
  CrashReport,
  EngineLogLine,
  FromHost,
  HostSpec,
  ToHost,
} from "./protocol.ts";
import type { Run } from "./run.ts";
import type { OutboundCall } from "@tl-engine/outbound";

/** A thread that loads engines has this long, ms; then it counts as broken. */
const bootLimitMs = 60_000;

/**
 * MiB of a host's nursery. A small one, because a full one moves into the heap at once: see watch-heap.ts on what must
 * not happen at the heap's limit.
 */
const youngGenerationMib = 12;

/** Why a host ended by itself. */
export interface HostDeath {
  code: "engine_crashed" | "out_of_memory";
  detail: string;
}

/** What a host tells those who own it. */
export interface HostEvents {
  /** A run is over; the host has room. */
  ended(host: Host): void;
  /** An engine's code crashed; the thread lives on. run null: whose code it was is not known, or it is over. */
  crashed(host: Host, run: Run | null, report: CrashReport): void;
  /** The thread ended though nobody asked for it; `host.running` are the runs that it had. */
  died(host: Host, death: HostDeath): void;
}

/** Where what engines say goes. */
export interface EngineVoices {
  log(run: Run | null, line: EngineLogLine): void;
  progress(run: Run, fraction: number, message: string | null): void;
  call(call: OutboundCall): void;
}

export interface HostOptions {
  /** Shown by debuggers and in logs. */
  name: string;
  spec: HostSpec;
  /** MiB of JavaScript heap. */
  heapMib: number;
  /** The environment that engines see. */
  env: Record<string, string | undefined>;
  events: HostEvents;
  voices: EngineVoices;
  log: Log;
}

/** A thread that runs engines, seen from the worker's own thread. */
export interface Host {
  readonly name: string;
  readonly isReady: boolean;
  /** Rejects where the thread ended before it could load its engines. */
  readonly ready: Promise<void>;
  /** The runs that this host still has to end, by key. */
  readonly running: ReadonlyMap<number, Run>;
  /** Pings since the last sign of life. */
  readonly unanswered: number;
  /** Resolves when the thread has ended. */
  readonly gone: Promise<void>;
  /** Runs started so far. */
  readonly taken: number;
  start(run: Run): void;
  abort(run: Run, cause: AbortCause): void;
  /** Forgets a run whose end is known by other means: nothing more is heard of it. */
  drop(run: Run): void;
  ping(): void;
  /** Ends the thread at once, whatever it does; no event follows. */
  end(): Promise<void>;
}

/** Starts a host thread. It takes runs at once and begins them as soon as its engines are loaded. */
export function startHost(options: HostOptions): Host {
  const { name, events, voices } = options;
  const running = new Map<number, Run>();
  const early: Run[] = [];
  let isReady = false;
  let ending = false;
  let death: HostDeath | null = null;
  let unanswered = 0;
  let taken = 0;
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  const gone = Promise.withResolvers<void>();

  const bounds = heapBounds(options.heapMib);
  const worker = new Worker(new URL("./host-thread.ts", import.meta.url), {
    name,
    workerData: options.spec,
    env: options.env as NodeJS.ProcessEnv,
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: {
      maxOldGenerationSizeMb: bounds.v8Mib,
      maxYoungGenerationSizeMb: youngGenerationMib,
    },
  });
  relayOutput(worker, name, options.log);
  const outbox = createOutbox<ToHost>((batch) => worker.postMessage(batch));
  const bootTimer = setTimeout(() => {
    death ??= {
      code: "engine_crashed",
      detail: `the host did not load its engines within ${bootLimitMs / 1000} s`,
    };
    void worker.terminate();
  }, bootLimitMs);
  bootTimer.unref();

  const heap = watchHeap(worker, {
    endAtMib: bounds.endAtMib,
    isBusy: () => running.size > 0,
    onExceeded() {
      death ??= outOfMemory;
      void worker.terminate();
    },
  });

  worker.on("message", (batch: FromHost[]) => {
    unanswered = 0;
    for (const message of batch) hear(message);
  });
  worker.on("messageerror", (error) => {
    options.log.error({ host_id: name, err: error }, "a message of a host could not be read");
  });
  worker.on("error", (error: unknown) => {
    death ??= deathBy(error);
  });
  worker.on("exit", (code) => {
    clearTimeout(bootTimer);
    heap.stop();
    death ??= { code: "engine_crashed", detail: `the engine's thread ended with code ${code}` };
    ready.reject(new Error(death.detail));
    gone.resolve();
    if (!ending) events.died(host, death);
  });

  function hear(message: FromHost): void {
    switch (message.kind) {
      case "ready":
        clearTimeout(bootTimer);
        isReady = true;
        ready.resolve();
        for (const run of early.splice(0)) begin(run);
        return;
      case "not_loaded":
        death ??= {
          code: "engine_crashed",
          detail: `the host could not load its engines: ${message.reason}`,
        };
        void worker.terminate();
        return;
      case "pong":
        return;
      case "returned":
      case "threw": {
        const run = running.get(message.key);
        if (run === undefined) return;
        running.delete(message.key);
        run.end(message);
        events.ended(host);
        return;
      }
      case "crashed": {
        const run = message.key === null ? undefined : running.get(message.key);
        events.crashed(host, run ?? null, message);
        return;
      }
      case "progress": {
        const run = running.get(message.key);
        if (run !== undefined) voices.progress(run, message.fraction, message.message);
        return;
      }
      case "log":
        voices.log(message.key === null ? null : (running.get(message.key) ?? null), message);
        return;
      case "call":
        voices.call(message.call);
    }
  }

  function begin(run: Run): void {
    if (!running.has(run.message.key)) return;
    run.begun();
    outbox.push(run.message);
    if (run.aborted !== null) host.abort(run, run.aborted);
  }

  const host: Host = {
    name,
    ready: ready.promise,
    running,
    gone: gone.promise,
    get isReady() {
      return isReady;
    },
    get unanswered() {
      return unanswered;
    },
    get taken() {
      return taken;
    },
    start(run) {
      taken += 1;
      running.set(run.message.key, run);
      if (isReady) begin(run);
      else early.push(run);
    },
    abort(run, cause) {
      // One that still waits for its host hears of it right after its start.
      if (isReady) outbox.push({ kind: "abort", key: run.message.key, cause });
    },
    drop(run) {
      running.delete(run.message.key);
    },
    ping() {
      unanswered += 1;
      outbox.push({ kind: "ping" });
    },
    async end() {
      ending = true;
      await worker.terminate();
      await gone.promise;
    },
  };
  return host;
}

const outOfMemory: HostDeath = {
  code: "out_of_memory",
  detail: "the engine used up the memory of its thread",
};

function deathBy(error: unknown): HostDeath {
  if (error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return outOfMemory;
  }
  const message = error instanceof Error ? error.message : "something that is no Error";
  return { code: "engine_crashed", detail: `the engine's thread crashed: ${message}` };
}
