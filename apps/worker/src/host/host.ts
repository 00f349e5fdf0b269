import type { OutboundCall } from "@tl-engine/outbound";
import { createAnswering, type AskPorts } from "./answering.ts";
import type { Carrier, CarrierOptions, StartCarrier } from "./carrier.ts";
import { crashed, type HostDeath } from "./death.ts";
import { createOutbox } from "./outbox.ts";
import type { AbortCause, CrashReport, EngineLogLine, FromHost, ToHost } from "./protocol.ts";
import type { Run } from "./run.ts";

/** A host that loads engines has this long, ms; then it counts as broken. */
const bootLimitMs = 60_000;

/** What a host tells those who own it. */
export interface HostEvents {
  /** A run is over, or there is none though it is ready: the host has room. */
  ended(host: Host): void;
  /** An engine's code crashed; the host lives on. run null: whose code it was is not known, or it is over. */
  crashed(host: Host, run: Run | null, report: CrashReport): void;
  /** The host ended though nobody asked for it; `host.running` are the runs that it had. */
  died(host: Host, death: HostDeath): void;
}

/** Where what engines say goes. */
export interface EngineVoices {
  log(run: Run | null, line: EngineLogLine): void;
  progress(run: Run, fraction: number, message: string | null): void;
  call(call: OutboundCall): void;
}

export interface HostOptions extends Omit<CarrierOptions, "isBusy"> {
  /** Starts the thread or the process that it is. */
  carrier: StartCarrier;
  events: HostEvents;
  voices: EngineVoices;
  /** Answers what it asks on behalf of its runs. */
  ports: AskPorts<Run>;
}

/** A thread or process that runs engines, seen from the worker's own thread. */
export interface Host {
  readonly name: string;
  readonly isReady: boolean;
  /** Rejects where it ended before it could load its engines. */
  readonly ready: Promise<void>;
  /** The runs that this host still has to end, by key. */
  readonly running: ReadonlyMap<number, Run>;
  /** Pings since the last sign of life. */
  readonly unanswered: number;
  /** Resolves when the thread or process has ended. */
  readonly gone: Promise<void>;
  /** Runs started so far. */
  readonly taken: number;
  /** It should not be used again, though nothing is wrong with it: its memory has grown. */
  readonly isWorn: boolean;
  start(run: Run): void;
  abort(run: Run, cause: AbortCause): void;
  /** Forgets a run whose end is known by other means, or which has not begun: nothing more is heard of it. */
  drop(run: Run): void;
  ping(): void;
  /** Ends it at once, whatever it does; no event follows. */
  end(): Promise<void>;
}

/** Starts a host. It takes runs at once and begins them as soon as its engines are loaded. */
export function startHost(options: HostOptions): Host {
  const { name, events, voices } = options;
  const running = new Map<number, Run>();
  const early: Run[] = [];
  let isReady = false;
  let ending = false;
  let unanswered = 0;
  let taken = 0;
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  const gone = Promise.withResolvers<void>();

  const carrier: Carrier = options.carrier(
    { ...options, isBusy: () => running.size > 0 },
    {
      heard(batch) {
        unanswered = 0;
        for (const message of batch) hear(message);
      },
      gone(death) {
        clearTimeout(bootTimer);
        answering.close();
        ready.reject(new Error(death.detail));
        gone.resolve();
        if (!ending) events.died(host, death);
      },
    },
  );
  const outbox = createOutbox<ToHost>((batch) => carrier.send(batch));
  const answering = createAnswering(options.ports, (message) => outbox.push(message));
  const bootTimer = setTimeout(() => {
    carrier.kill(crashed(`the host did not load its engines within ${bootLimitMs / 1000} s`));
  }, bootLimitMs);
  bootTimer.unref();

  function hear(message: FromHost): void {
    switch (message.kind) {
      case "ready":
        clearTimeout(bootTimer);
        // What it said before its end arrives behind it: it takes nothing any more.
        if (ending) return;
        isReady = true;
        carrier.loaded();
        ready.resolve();
        for (const run of early.splice(0)) begin(run);
        // Those for which it was started may have given up waiting.
        if (running.size === 0) events.ended(host);
        return;
      case "not_loaded":
        carrier.kill(crashed(`the host could not load its engines: ${message.reason}`));
        return;
      case "pong":
        return;
      case "returned":
      case "handed_over":
      case "threw": {
        const run = running.get(message.key);
        if (run === undefined) return;
        forget(run);
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
        return;
      case "ask":
      case "unask":
      case "leave":
      case "called":
        answering.hear(message, (key) => running.get(key));
    }
  }

  function forget(run: Run): void {
    running.delete(run.message.key);
    answering.ended(run.message.key);
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
    get isWorn() {
      return carrier.isWorn;
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
    drop: forget,
    ping() {
      unanswered += 1;
      outbox.push({ kind: "ping" });
    },
    async end() {
      ending = true;
      answering.close();
      carrier.kill();
      await gone.promise;
    },
  };
  return host;
}
