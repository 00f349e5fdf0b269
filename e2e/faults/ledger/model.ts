import { isDeepStrictEqual } from "node:util";
import type { Execution } from "@tl-engine/client";
import { misbehaving } from "./misbehaving.ts";
import type { Expected, Order } from "./order.ts";

/** What is sent of an order. */
export function bodyOf({ engine, input, options, callback }: Order): Record<string, unknown> {
  return { engine, input, ...(options && { options }), ...(callback && { callback }) };
}

type Input = Record<string, never> & { failures?: number; fail?: number };
const endOf = (attempt: number): Expected => ({ attempt, output: { attempt } });

/** What each engine of `e2e/engines` makes of its input, where nobody interferes. */
const engines: Readonly<Record<string, (order: Order) => Expected>> = {
  echo: ({ input }) => ({ attempt: 1, output: input }),
  sleep({ input, options }) {
    const { ms = 0 } = input as Input;
    const timeout = /^(\d+)ms$/.exec(String(options?.["timeout"]))?.[1];
    // Only what is far beyond its time: the two are never close here.
    if (timeout === undefined || Number(timeout) > ms)
      return { attempt: 1, output: { attempt: 1 } };
    return { attempt: Number(options?.["max_attempts"] ?? 3), code: "timeout" };
  },
  count: ({ input }) => endOf(1 + ((input as Input).fail ?? 0)),
  "count.deaf": ({ input }) => endOf(1 + ((input as Input).failures ?? 0)),
  steps: ({ input }) => endOf(1 + ((input as Input).failures ?? 0)),
  // What parks it, or fails a circuit's try, counts no attempt.
  "crm.contact": () => ({ attempt: 1, output: { status: 200, attempt: 1 } }),
  // Of a service that completes it later, or too late, or never.
  "far.work"({ input }) {
    const { how, n } = input as { how: string; n: number };
    return how === "late" || how === "never"
      ? { attempt: 1, code: "timeout" }
      : { attempt: 1, output: { n } };
  },
  "count.single": () => ({ attempt: 1, output: { attempt: 1 } }),
  flaky({ input, options }) {
    const { failures = 0 } = input as Input;
    const most = Number(options?.["max_attempts"] ?? 5);
    const attempt = Math.min(failures + 1, most);
    return failures < most ? { attempt, output: { attempt } } : { attempt, code: "engine_error" };
  },
  ...misbehaving,
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
  // A lost worker counts no attempt, but the third ends it; so does the end of the process in which it ran alone.
  if (error?.code === "worker_lost") {
    const all = losses + (attempts.at(-1)?.error?.code === "worker_lost" ? 1 : 0);
    return all >= maxLosses ? null : `failed as worker_lost after ${all} losses`;
  }
  if (status === "expired" && attempts.length > 0) return "expired though it had been started";
  if (order.must !== undefined)
    return status === order.must ? null : `ended ${status}, not ${order.must}`;
  if (order.may?.some((one) => one === status) === true) return null;
  const expect = engines[order.engine.split("@")[0] ?? ""];
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
