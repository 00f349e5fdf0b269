import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { cannotStart } from "@tl-engine/shared/process/exit-codes.ts";

export interface KeptProcessOptions {
  /** What messages call it, as "API". */
  name: string;
  /** Path of the entry point, run by this Node. */
  entry: string;
  args?: readonly string[];
  /** Read at each start, so that a changed address of the database reaches the next one. */
  env: () => NodeJS.ProcessEnv;
  /** Told of each new process. */
  onStart?: (pid: number) => void;
  /** Told of each end that nobody asked for. */
  onEnd: (sentence: string) => void;
  /** One that cannot start as things are stays down until `restart`: somebody is about to mend it. */
  waitForMending?: boolean;
  /** First pause before a new start; doubles up to `maxDelayMs`, and starts anew after a minute of life. */
  minDelayMs?: number;
  maxDelayMs?: number;
}

/** A child process that is started again whenever it ends, until it is stopped. */
export interface KeptProcess {
  readonly name: string;
  /** Process id of the one that runs now, or null between two. */
  readonly pid: number | null;
  /** Ends that nobody asked for, since the last one that lived for a minute. */
  readonly endsInARow: number;
  /** It has said that it cannot start as things are. */
  readonly refused: boolean;
  /** Stops the one that runs, and starts another. */
  restart(graceMs: number): Promise<void>;
  /** SIGTERM; SIGKILL after `graceMs`, or at once when `hurry` fires. Resolves when it is gone. */
  stop(graceMs: number, hurry?: AbortSignal): Promise<void>;
}

const settledMs = 60_000;

/** Starts a process and keeps it running. */
export function keepProcess({
  name,
  entry,
  args = [],
  env,
  onStart,
  onEnd,
  waitForMending = false,
  minDelayMs = 250,
  maxDelayMs = 10_000,
}: KeptProcessOptions): KeptProcess {
  let child: ChildProcess | null = null;
  let endsInARow = 0;
  let refused = false;
  let stopped = false;
  let wake = new AbortController();

  const start = (): void => {
    const startedAt = performance.now();
    const started = spawn(process.execPath, [entry, ...args], {
      // The channel closes with us, however we end: stopWithParent() hears it.
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // A group of its own: Ctrl-C on the terminal reaches us alone, and we decide on the order.
      detached: true,
      env: env(),
    });
    child = started;
    if (started.pid !== undefined) onStart?.(started.pid);
    started.once("error", (error) => onEnd(`The ${name} could not be started: ${error.message}.`));
    started.once("exit", (code, signal) => {
      child = null;
      if (stopped) return;
      if (code === cannotStart) {
        refused = true;
        if (waitForMending) {
          onEnd(
            `The ${name} cannot start; it says why above, and is started again at the next change.`,
          );
          return;
        }
      }
      endsInARow = performance.now() - startedAt > settledMs ? 1 : endsInARow + 1;
      const pauseMs = Math.min(minDelayMs * 2 ** (endsInARow - 1), maxDelayMs);
      onEnd(
        `The ${name} ended (${signal ?? `exit code ${code}`}); it starts again in ${pauseMs / 1000} s.`,
      );
      void startAfter(pauseMs);
    });
  };
  const startAfter = async (pauseMs: number): Promise<void> => {
    await delay(pauseMs, undefined, { signal: wake.signal }).catch(() => undefined);
    if (!stopped && child === null) start();
  };
  const end = async (graceMs: number, hurry?: AbortSignal): Promise<void> => {
    stopped = true;
    wake.abort();
    const ending = child;
    if (ending === null) return;
    const gone = once(ending, "exit");
    ending.kill("SIGTERM");
    const over = new AbortController();
    const patience = hurry === undefined ? over.signal : AbortSignal.any([over.signal, hurry]);
    const kill = delay(graceMs, undefined, { signal: patience })
      .catch(() => undefined)
      .then(() => ending.kill("SIGKILL"));
    await gone;
    over.abort();
    await kill;
  };

  start();
  return {
    name,
    get pid() {
      return child?.pid ?? null;
    },
    get endsInARow() {
      return endsInARow;
    },
    get refused() {
      return refused;
    },
    restart: async (graceMs) => {
      await end(graceMs);
      stopped = false;
      wake = new AbortController();
      endsInARow = 0;
      refused = false;
      start();
    },
    stop: end,
  };
}
