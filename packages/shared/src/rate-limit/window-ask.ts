import type { RateDecision } from "./rate-limiter.ts";

/** Requests of one caller that wait together: `count` of them, each at `cost`. */
export interface WindowAsk {
  readonly name: string;
  readonly limit: number;
  readonly cost: number;
  readonly count: number;
}

/** What a counter answered to an ask: the first `granted` of its requests may pass. */
export interface WindowAnswer {
  /** Taken from the window before this ask. */
  readonly usedBefore: number;
  readonly granted: number;
  /** Milliseconds until the window ends. */
  readonly leftMs: number;
  /** When it ends, in epoch milliseconds by the counter's clock. */
  readonly endsAtMs: number;
}

/** The answer to the request at `index` of an ask: each is told a number of its own. */
export function decisionOf(ask: WindowAsk, answer: WindowAnswer, index: number): RateDecision {
  const allowed = index < answer.granted;
  const used = answer.usedBefore + ask.cost * (allowed ? index + 1 : answer.granted);
  return {
    allowed,
    limit: ask.limit,
    remaining: Math.max(0, ask.limit - used),
    resetAt: Math.ceil(answer.endsAtMs / 1000),
    retryAfterSeconds: Math.max(1, Math.ceil(answer.leftMs / 1000)),
  };
}

/** How many of an ask's requests still fit into a window of which `used` is taken. */
export function grantable(ask: WindowAsk, used: number): number {
  return Math.max(0, Math.min(ask.count, Math.floor((ask.limit - used) / ask.cost)));
}
