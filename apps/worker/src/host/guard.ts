import { toExecutionError } from "@tl-engine/engine-kit/run";
import type { CrashReport } from "./protocol.ts";

export interface GuardOptions {
  /** The execution whose code runs at this moment; null where it is nobody's. */
  currentKey(): number | null;
  report(crash: CrashReport): void;
}

/** Thrown into an engine that tried to end the process, so that its code stops there. */
class ExitRefused extends Error {
  override readonly name = "ExitRefused";
}

/**
 * Turns what would end this host (an uncaught error, an unhandled rejection, `process.exit`, `process.kill` of its own
 * process) into a report that names the execution whose code did it, so that the others in a shared host can go on to
 * their end. `process.abort` is refused in threads by Node itself.
 */
export function guardHost({ currentKey, report }: GuardOptions): void {
  process.on("uncaughtException", (error: unknown) => {
    if (error instanceof ExitRefused) return;
    report({ key: currentKey(), fatal: true, ...wordsOf(error, "an uncaught error") });
  });
  // With this listener, Node calls a rejection nobody handles neither an exception nor a warning.
  process.on("unhandledRejection", (reason: unknown) => {
    if (reason instanceof ExitRefused) return;
    report({ key: currentKey(), fatal: false, ...wordsOf(reason, "an unhandled rejection") });
  });

  const refuse = (how: string) => (code?: number | string | null) => {
    const detail = `the engine called ${how}(${code ?? ""})`;
    const error = new ExitRefused(`${detail}; an engine ends by returning or throwing`);
    report({ key: currentKey(), fatal: true, detail, stack: error.stack ?? null });
    throw error;
  };
  Object.assign(process, {
    exit: refuse("process.exit"),
    reallyExit: refuse("process.reallyExit"),
  });
  const kill = process.kill.bind(process);
  const refuseKill = refuse("process.kill");
  process.kill = (pid, signal) => {
    const isOurs = pid === 0 || Math.abs(pid) === process.pid;
    return isOurs && signal !== 0
      ? refuseKill(`process.pid, ${signal ?? "SIGTERM"}`)
      : kill(pid, signal);
  };
}

function wordsOf(error: unknown, what: string): { detail: string; stack: string | null } {
  const { message, stack } = toExecutionError(error);
  return { detail: `${what}: ${message}`, stack: stack ?? null };
}
