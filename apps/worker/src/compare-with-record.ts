import type { HeldExecution } from "@tl-engine/shared/executions/held.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import type { InHandList } from "./in-hand.ts";

export interface CompareOptions {
  inHand: InHandList;
  /** What the record says that this worker runs. */
  readHeld(): Promise<HeldExecution[]>;
  giveBack(item: { id: string; dispatch: number; alone: boolean }): Promise<void>;
  onError(error: unknown): void;
  log: Log;
  /** ms between looks while something runs. */
  everyMs?: number;
}

export interface Comparison {
  /** Looks at once: something may have changed for this execution, or for all. */
  look(id?: string): void;
  stop(): void;
}

/** While nothing runs here, the record is looked at only each so many beats. */
const idleBeats = 10;

/**
 * Compares what runs here with what the record says of this worker, twice a second while something runs: what was
 * canceled is aborted, what is no longer ours is aborted and dropped, and what is ours without our knowing (the answer
 * to its start was lost) is given back.
 */
export function startComparing(options: CompareOptions): Comparison {
  const { inHand, everyMs = 500, log } = options;
  let looking = false;
  let again = false;
  let beats = 0;
  let stopped = false;
  let unknownBefore = new Map<string, number>();

  async function look(): Promise<void> {
    const askedAt = performance.now();
    const held = new Map((await options.readHeld()).map((row) => [row.id, row]));
    for (const [id, { dispatch, run, startedAt }] of inHand.entries()) {
      // What was started after the question was asked cannot be in the answer.
      if (run === null || dispatch === null || startedAt >= askedAt) continue;
      const row = held.get(id);
      if (row === undefined || row.dispatch !== dispatch) {
        log.warn(
          { execution_id: id, dispatch },
          "an execution is no longer this worker's; it is aborted",
        );
        run.abort("lost");
      } else if (row.cancelRequested) run.abort("canceled");
    }
    const unknown = new Map<string, number>();
    for (const { id, dispatch } of held.values()) {
      if (inHand.get(id) !== undefined) continue;
      // Seen once it may have ended here while the answer was on its way.
      if (unknownBefore.get(id) !== dispatch) {
        unknown.set(id, dispatch);
        continue;
      }
      log.warn(
        { execution_id: id, dispatch },
        "an execution was started without this worker hearing of it; it is given back",
      );
      await options.giveBack({ id, dispatch, alone: false });
    }
    unknownBefore = unknown;
    if (unknown.size > 0) beats = idleBeats;
  }

  function lookOnce(): void {
    if (stopped) return;
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    beats = 0;
    void look()
      .catch((error: unknown) => {
        options.onError(error);
        // Whatever was started meanwhile without our hearing of it is looked for as soon as that is possible.
        beats = idleBeats;
      })
      .finally(() => {
        looking = false;
        if (!again) return;
        again = false;
        lookOnce();
      });
  }

  const timer = setInterval(() => {
    beats += 1;
    if (inHand.size > 0 || beats >= idleBeats) lookOnce();
  }, everyMs);

  return {
    look(id) {
      if (id === undefined || inHand.get(id) !== undefined) lookOnce();
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}
