import { isDeepStrictEqual } from "node:util";
import type { Execution } from "@tl-engine/client";

/** What a caller asked for. */
export interface Order {
  engine: string;
  input: unknown;
  /** `options` of the submit, as the API takes them. */
  options?: Record<string, unknown>;
  /** The caller asked for its end at some time: it may have come or not. */
  canceled?: boolean;
}

type Input = Record<string, never> & { failures?: number };
interface Expected {
  attempt: number;
  output?: unknown;
  /** Set where it has to fail. */
  code?: string;
}

/** What each engine of `e2e/engines` makes of its input, where nobody interferes. */
const engines: Readonly<Record<string, (order: Order) => Expected>> = {
  echo: ({ input }) => ({ attempt: 1, output: input }),
  sleep: () => ({ attempt: 1, output: { attempt: 1 } }),
  count: () => ({ attempt: 1, output: { attempt: 1 } }),
  "count.single": () => ({ attempt: 1, output: { attempt: 1 } }),
  flaky({ input, options }) {
    const { failures = 0 } = input as Input;
    const most = Number(options?.["max_attempts"] ?? 5);
    const attempt = Math.min(failures + 1, most);
    return failures < most ? { attempt, output: { attempt } } : { attempt, code: "engine_error" };
  },
};

/** How often a whole worker may be lost with one execution, until it ends by that. */
const maxLosses = 3;

/**
 * Holds a finished execution against what has to come of its order.
 *
 * @returns why it cannot be so, as half a sentence; null where it is exactly so
 */
export function judge(order: Order, execution: Execution): string | null {
  const { status, attempt, attempts = [], error, output } = execution;
  const losses = attempts.filter(({ outcome }) => outcome === "worker_lost").length;
  // A lost worker counts no attempt, but the third ends it.
  if (error?.code === "worker_lost") {
    return losses >= maxLosses ? null : `failed as worker_lost after ${losses} losses`;
  }
  if (order.canceled === true && status === "canceled") return null;
  const expect = engines[order.engine];
  if (expect === undefined) return `no model says what ${order.engine} does`;
  const expected = expect(order);
  if (expected.code !== undefined) {
    if (status !== "failed" || error?.code !== expected.code) {
      return `ended ${status} (${error?.code ?? "no error"}), not failed (${expected.code})`;
    }
  } else if (status !== "succeeded") {
    return `ended ${status} (${error?.code ?? "no error"}: ${error?.detail ?? ""}), not succeeded`;
  } else if (!isDeepStrictEqual(output, expected.output)) {
    return `gave ${JSON.stringify(output)}, not ${JSON.stringify(expected.output)}`;
  }
  if (attempt !== expected.attempt) return `took ${attempt} attempts, not ${expected.attempt}`;
  const ends = attempts.filter(({ outcome }) => outcome === "succeeded").length;
  if (ends > 1) return `succeeded in ${ends} attempts`;
  return null;
}
