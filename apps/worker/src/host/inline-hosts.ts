import { performance } from "node:perf_hooks";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { asError } from "./as-error.ts";
import type { HostDeath } from "./death.ts";
import type { Host, HostEvents } from "./host.ts";
import type { CrashReport, RunFailure } from "./protocol.ts";
import type { Lingering, Run } from "./run.ts";

/** Added to the promise when a host will have ended, ms: the promise is only used where the worker is lost before. */
const endingMs = 10_000;

export interface InlineHostsOptions {
  startHost(events: HostEvents): Host;
  /** Counts replacements. */
  onReplaced(reason: string): void;
  log: Log;
}

/** The thread that all inline executions share, and those before it that still have runs to end. */
export interface InlineHosts {
  /** The host for new work is started if there is none; resolves when it has loaded its engines. */
  prepare(): Promise<void>;
  run(run: Run): void;
  abort(run: Run): void;
  /** Forgets a run that has not begun. */
  drop(run: Run): void;
  /** Stops a run that is overdue or ignored its cancel. */
  stop(run: Run, failure: RunFailure): void;
  /** Whether the run's host answers; a neighbour may block it. */
  isResponsive(run: Run): boolean;
  /** A host that answers no pings. */
  blocked(host: Host): void;
  all(): Host[];
  close(): Promise<void>;
}

/**
 * One host for new work. One whose state is in doubt (an engine ignored its signal or crashed in it) takes nothing
 * new: its runs go on to their end, and then it is ended. One that cannot go on is ended at once: where one run was
 * in it, that one is guilty; of several each is a suspect and starts again alone, with no attempt counted.
 */
export function createInlineHosts(options: InlineHostsOptions): InlineHosts {
  const { log, onReplaced } = options;
  let current: Host | null = null;
  let closed = false;
  const draining = new Set<Host>();
  /** Runs that were settled while their code may still be going on, by host. */
  const lingerers = new Map<Host, number>();
  const hostOf = new WeakMap<Run, Host>();

  const events: HostEvents = {
    ended(host) {
      if (draining.has(host) && host.running.size === 0) void retire(host);
    },
    crashed(host, run, report) {
      crashed(host, run, report);
    },
    died(host, death) {
      log.error(
        { host_id: host.name, error_code: death.code, reason: death.detail },
        "a host ended by itself",
      );
      const runs = [...host.running.values()];
      for (const run of runs) host.drop(run);
      replace(host, death.code);
      cutOff(host, runs, failureOf(death), null, true);
    },
  };

  function hostForNewWork(): Host {
    current ??= options.startHost(events);
    return current;
  }

  /** Takes a host out of use; a fresh one stands ready for new work. */
  function replace(host: Host, reason: string): void {
    draining.delete(host);
    if (current !== host) return;
    onReplaced(reason);
    current = null;
    // One that could not even load is started again by the next run, not in a loop.
    if (host.isReady && !closed) hostForNewWork();
  }

  function drain(host: Host, reason: string): void {
    if (draining.has(host)) return;
    log.warn(
      { host_id: host.name, reason, running: host.running.size },
      "a host takes nothing new and ends after its runs",
    );
    replace(host, reason);
    draining.add(host);
    if (host.running.size === 0) void retire(host);
  }

  async function retire(host: Host): Promise<void> {
    draining.delete(host);
    lingerers.delete(host);
    await host.end();
  }

  /** Ends a host at once. Whoever ran in it alone is guilty; several are suspects. */
  async function endNow(
    host: Host,
    reason: string,
    failure: RunFailure,
    stack: string | null,
  ): Promise<void> {
    const runs = [...host.running.values()];
    for (const run of runs) host.drop(run);
    replace(host, reason);
    log.warn({ host_id: host.name, reason, running: runs.length }, "a host is ended at once");
    await host.end();
    cutOff(host, runs, failure, stack, false);
  }

  function cutOff(
    host: Host,
    runs: Run[],
    failure: RunFailure,
    stack: string | null,
    hostDied: boolean,
  ): void {
    const inDoubt = runs.length + (lingerers.get(host) ?? 0);
    lingerers.delete(host);
    for (const run of runs) {
      const { aborted } = run;
      if (inDoubt === 1)
        run.end({ kind: "stopped", failure, aborted, lingering: null, stack, hostDied });
      else run.end({ kind: "cut_off", suspect: true });
    }
  }

  function crashed(host: Host, run: Run | null, report: CrashReport): void {
    const failure: RunFailure = { code: "engine_crashed", detail: report.detail, retryable: true };
    if (run !== null) {
      stop(run, failure, report.stack, "engine_crashed");
      return;
    }
    log.error(
      { host_id: host.name, err: asError(report.detail, report.stack) },
      "an engine's code failed outside of a running execution",
    );
    if (report.key !== null) {
      // Left behind by an execution that is over: nobody who runs now is to blame.
      if (report.fatal) drain(host, "engine_crashed");
      return;
    }
    if (host.running.size === 0) drain(host, "engine_crashed");
    else void endNow(host, "engine_crashed", failure, report.stack);
  }

  function stop(run: Run, failure: RunFailure, stack: string | null, reason: string): void {
    const host = hostOf.get(run);
    if (host === undefined || !host.running.has(run.message.key)) return;
    host.drop(run);
    const { aborted } = run;
    const settle = (lingering: Lingering | null): void =>
      run.end({ kind: "stopped", failure, aborted, lingering, stack, hostDied: false });
    if (host.running.size === 0) {
      replace(host, reason);
      lingerers.delete(host);
      void host.end().then(() => settle(null));
      return;
    }
    lingerers.set(host, (lingerers.get(host) ?? 0) + 1);
    const last = Math.max(...[...host.running.values()].map((other) => other.overdueAt));
    drain(host, reason);
    settle({ gone: host.gone, withinMs: Math.max(0, last - performance.now()) + endingMs });
  }

  return {
    async prepare() {
      await hostForNewWork().ready;
    },
    run(run) {
      const host = hostForNewWork();
      hostOf.set(run, host);
      host.start(run);
    },
    abort(run) {
      if (run.aborted !== null) hostOf.get(run)?.abort(run, run.aborted);
    },
    drop(run) {
      hostOf.get(run)?.drop(run);
    },
    stop(run, failure) {
      stop(run, failure, null, failure.code);
    },
    isResponsive(run) {
      const host = hostOf.get(run);
      if (host === undefined || host.unanswered < 2) return true;
      return host.running.size === 1 && !lingerers.has(host);
    },
    blocked(host) {
      const failure: RunFailure = {
        code: "timeout",
        detail: "the engine blocked the event loop of its host, which answered nothing for 5 s",
        retryable: true,
      };
      void endNow(host, "blocked", failure, null);
    },
    all: () => [...(current === null ? [] : [current]), ...draining],
    async close() {
      closed = true;
      const hosts = [...(current === null ? [] : [current]), ...draining];
      current = null;
      draining.clear();
      const runs = hosts.flatMap((host) => [...host.running.values()]);
      await Promise.all(hosts.map((host) => host.end()));
      for (const run of runs) run.end({ kind: "cut_off", suspect: false });
    },
  };
}

function failureOf(death: HostDeath): RunFailure {
  return { code: death.code, detail: death.detail, retryable: true };
}
