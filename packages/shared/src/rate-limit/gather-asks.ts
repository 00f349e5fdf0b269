import { decisionOf, type WindowAnswer, type WindowAsk } from "./window-ask.ts";
import type { RateDecision } from "./rate-limiter.ts";

interface Waiting {
  readonly resolve: (decision: RateDecision) => void;
  readonly reject: (error: unknown) => void;
}

interface Group {
  readonly name: string;
  readonly limit: number;
  readonly cost: number;
  readonly waiting: Waiting[];
}

/**
 * Gathers requests into asks: what arrives while a round is under way joins the next one, and those of
 * one caller become one ask. No timers: a request that finds nothing under way goes at once.
 *
 * @param countAll counts a round's asks (names are unique in it), and answers in their order; an Error
 * in place of an answer fails that ask alone
 * @param maxAsks the most asks of a round
 */
export function gatherAsks(
  countAll: (asks: readonly WindowAsk[]) => Promise<readonly (WindowAnswer | Error)[]>,
  maxAsks: number,
): (name: string, limit: number, cost: number) => Promise<RateDecision> {
  const groups = new Map<string, Group>();
  let underWay = false;

  /** At most `maxAsks` groups, oldest first; one of each name, so that no counter is moved twice. */
  function nextRound(): Group[] {
    const round = new Map<string, Group>();
    for (const [key, group] of groups) {
      if (round.has(group.name)) continue;
      round.set(group.name, group);
      groups.delete(key);
      if (round.size === maxAsks) break;
    }
    return [...round.values()];
  }

  async function run(round: readonly Group[]): Promise<void> {
    const asks = round.map(({ name, limit, cost, waiting }) => {
      return { name, limit, cost, count: waiting.length };
    });
    try {
      const answers = await countAll(asks);
      for (const [place, ask] of asks.entries()) {
        settle(ask, round[place]?.waiting ?? [], answers[place] ?? new Error("no answer"));
      }
    } catch (error) {
      for (const group of round) for (const { reject } of group.waiting) reject(error);
    }
  }

  async function drain(): Promise<void> {
    underWay = true;
    while (groups.size > 0) await run(nextRound());
    underWay = false;
  }

  return (name, limit, cost) =>
    new Promise((resolve, reject) => {
      const key = `${limit} ${cost} ${name}`;
      const group = groups.get(key);
      if (group) group.waiting.push({ resolve, reject });
      else groups.set(key, { name, limit, cost, waiting: [{ resolve, reject }] });
      // A microtask later, so that requests of the same turn of the event loop go together.
      if (!underWay) {
        underWay = true;
        queueMicrotask(() => void drain());
      }
    });
}

function settle(ask: WindowAsk, waiting: readonly Waiting[], answer: WindowAnswer | Error): void {
  for (const [index, { resolve, reject }] of waiting.entries()) {
    if (answer instanceof Error) reject(answer);
    else resolve(decisionOf(ask, answer, index));
  }
}
