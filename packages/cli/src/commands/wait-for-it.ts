import type { Accepted, Execution, IncludePart } from "@tl-engine/client";
import { parseDuration } from "@tl-engine/contract";
import type { Cli } from "../cli.ts";
import type { Role } from "../config.ts";
import { connect } from "../connect.ts";
import { exitCodes } from "../explain-error.ts";
import { waitingLine } from "../show-execution.ts";
import { printable } from "../terminal.ts";

export interface WaitFor {
  role: Role;
  /** A duration; undefined: as long as it takes. */
  waitTimeout?: string | undefined;
  include?: readonly IncludePart[] | undefined;
  json: boolean;
}

/** Who waits for so long is told if nobody works on it, ms. */
const lonelyMs = 2_000;

/**
 * Waits for an execution's end, with a line that tells how far it is where someone watches.
 * Ctrl-C ends the waiting, not the execution.
 */
export async function waitForIt(
  cli: Cli,
  known: Accepted | Execution | string,
  { role, waitTimeout, include, json }: WaitFor,
): Promise<Execution> {
  const { terminal, signal } = cli;
  const id = typeof known === "string" ? known : known.execution_id;
  const watched = terminal.watched && !json;
  const startedAt = performance.now();
  let last = typeof known === "string" ? null : known;
  const show = () => {
    if (last) terminal.progress(waitingLine(last, performance.now() - startedAt));
  };
  const clock = watched ? setInterval(show, 1_000) : undefined;
  const over = new AbortController();
  const lonely = setTimeout(() => {
    sayIfNobodyServes(cli, id, role, over.signal).catch(() => undefined);
  }, lonelyMs);
  try {
    return await connect(cli.config, role, true).wait(id, {
      signal,
      include,
      timeoutMs: waitTimeout === undefined ? undefined : (parseDuration(waitTimeout) ?? undefined),
      onProgress: watched
        ? (execution) => {
            last = execution;
            show();
          }
        : undefined,
    });
  } catch (error) {
    if (signal.aborted) {
      terminal.note(`The execution goes on. Look again: tl status ${id} · end it: tl cancel ${id}`);
    }
    throw error;
  } finally {
    clearInterval(clock);
    clearTimeout(lonely);
    over.abort();
    terminal.progress(null);
  }
}

/** Waiting in silence would look like a program that hangs. */
async function sayIfNobodyServes(
  { config, terminal }: Cli,
  id: string,
  role: Role,
  signal: AbortSignal,
): Promise<void> {
  const { wait, engine, version } = await connect(config, role).status(id, { signal });
  if (wait?.reason !== "no_worker" || signal.aborted) return;
  terminal.note(
    printable(
      `No worker serves ${engine}@${version} at the moment; it waits for one. Start one: npm run worker · look around: tl doctor`,
    ),
  );
}

/** 1 for an execution that ended without a result. */
export function exitCodeOf(execution: Accepted | Execution): number {
  const failed = ["failed", "canceled", "expired"].includes(execution.status);
  return failed ? exitCodes.failed : exitCodes.ok;
}
