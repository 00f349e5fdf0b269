import type { Host, HostEvents } from "./host.ts";
import type { RunFailure } from "./protocol.ts";
import type { Run } from "./run.ts";
import type { StartGate } from "./start-gate.ts";

/** A host that had nothing to do for so long is ended, ms. */
const idleLimitMs = 60_000;
/** A host is replaced after so many runs, and a process once it has grown: what engines leak must not add up. */
const runsPerHost = 1_000;

export interface SingleRunHostsOptions {
  startHost(events: HostEvents): Host;
  /** Counts hosts that had to be ended. */
  onReplaced(reason: string): void;
  /** Most hosts at once; further runs wait. */
  limit: number;
  /** What hosts go through while they start; null: they start at once. */
  gate: StartGate | null;
}

/** Hosts that run one execution at a time. */
export interface SingleRunHosts {
  run(run: Run): void;
  abort(run: Run): void;
  /** Forgets a run that has not begun. */
  drop(run: Run): void;
  /** Ends the run's host at once, then the run. */
  stop(run: Run, failure: RunFailure): void;
  /** Whether a neighbour may block the run's host: never here, it has none. */
  isResponsive(run: Run): boolean;
  /** The host of a run that answers no pings. */
  blocked(host: Host): void;
  all(): Host[];
  close(): Promise<void>;
}

/** A pool of hosts with one execution each, started on need. Whatever goes wrong in one is its own run's fault. */
export function createSingleRunHosts(options: SingleRunHostsOptions): SingleRunHosts {
  const hosts = new Set<Host>();
  const idle = new Map<Host, NodeJS.Timeout>();
  /** What waits for a host, oldest first. */
  const waiting = new Set<Run>();
  const hostOf = new WeakMap<Run, Host>();
  let closed = false;

  const events: HostEvents = {
    ended(host) {
      if (host.taken < runsPerHost && !host.isWorn && !closed) rest(host);
      else void retire(host);
    },
    crashed(host, run, report) {
      const failure: RunFailure = {
        code: "engine_crashed",
        detail: report.detail,
        retryable: true,
      };
      // One execution at a time: whatever crashes while it runs is its own, or was left behind by the one before.
      const guilty = run ?? (report.key === null ? theRunOf(host) : null);
      if (guilty !== null) void end(host, failure, report.stack, "engine_crashed");
      else if (report.fatal && host.running.size === 0) void retire(host);
    },
    died(host, death) {
      options.onReplaced(death.code);
      forget(host);
      const run = theRunOf(host);
      const failure: RunFailure = { code: death.code, detail: death.detail, retryable: true };
      // One that had not begun did nothing to its host: want of memory or of processes ended it, or its own start.
      conclude(run, host, failure, null, run !== null && run.overdueAt !== Infinity);
      next();
    },
  };

  function theRunOf(host: Host): Run | null {
    const [run] = host.running.values();
    return run ?? null;
  }

  /** The one that has waited longest; it waits no more. */
  function takeWaiting(): Run | null {
    const [run] = waiting;
    if (run === undefined) return null;
    waiting.delete(run);
    return run;
  }

  function rest(host: Host): void {
    const run = takeWaiting();
    if (run !== null) {
      begin(host, run);
      return;
    }
    const timer = setTimeout(() => void retire(host), idleLimitMs);
    timer.unref();
    idle.set(host, timer);
  }

  function forget(host: Host): void {
    clearTimeout(idle.get(host));
    idle.delete(host);
    hosts.delete(host);
  }

  async function retire(host: Host): Promise<void> {
    clearTimeout(idle.get(host));
    idle.delete(host);
    await host.end();
    forget(host);
    next();
  }

  async function end(
    host: Host,
    failure: RunFailure,
    stack: string | null,
    reason: string,
  ): Promise<void> {
    const run = theRunOf(host);
    if (run !== null) host.drop(run);
    options.onReplaced(reason);
    // First the host, then the settle: a retry must not overlap it.
    await host.end();
    forget(host);
    conclude(run, host, failure, stack, false);
    next();
  }

  function conclude(
    run: Run | null,
    host: Host,
    failure: RunFailure,
    stack: string | null,
    hostDied: boolean,
  ): void {
    if (run === null) return;
    host.drop(run);
    const { aborted } = run;
    run.end({ kind: "stopped", failure, aborted, lingering: null, stack, hostDied });
  }

  function begin(host: Host, run: Run): void {
    hostOf.set(run, host);
    host.start(run);
  }

  function next(): void {
    while (waiting.size > 0 && !closed) {
      const host = takeRested() ?? startOne();
      if (host === null) return;
      const run = takeWaiting();
      if (run !== null) begin(host, run);
    }
  }

  /** A fresh host, where there may be one more. */
  function startOne(): Host | null {
    const { gate, limit } = options;
    if (hosts.size >= limit || gate?.enter() === false) return null;
    const host = options.startHost(events);
    hosts.add(host);
    // Ready or ended: either way it starts no more.
    if (gate !== null) void host.ready.catch(() => undefined).then(() => gate.leave());
    return host;
  }

  /** A host that rests; those that grew while they did are ended. */
  function takeRested(): Host | null {
    for (const host of idle.keys()) {
      if (host.isWorn) {
        void retire(host);
        continue;
      }
      clearTimeout(idle.get(host));
      idle.delete(host);
      return host;
    }
    return null;
  }

  options.gate?.onRoom(next);

  return {
    run(run) {
      waiting.add(run);
      next();
    },
    abort(run) {
      if (run.aborted !== null) hostOf.get(run)?.abort(run, run.aborted);
    },
    drop(run) {
      waiting.delete(run);
      hostOf.get(run)?.drop(run);
    },
    stop(run, failure) {
      const host = hostOf.get(run);
      if (host?.running.has(run.message.key) === true) void end(host, failure, null, failure.code);
    },
    isResponsive: () => true,
    blocked(host) {
      void end(
        host,
        {
          code: "timeout",
          detail: "the engine blocked the event loop of its host, which answered nothing for 15 s",
          retryable: true,
        },
        null,
        "blocked",
      );
    },
    all: () => [...hosts],
    async close() {
      closed = true;
      const runs = [...waiting, ...[...hosts].flatMap((host) => [...host.running.values()])];
      waiting.clear();
      await Promise.all([...hosts].map((host) => retire(host)));
      for (const run of runs) run.end({ kind: "cut_off", suspect: false });
    },
  };
}
