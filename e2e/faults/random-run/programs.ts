import type { FaultContext } from "../faults/fault.ts";
import { oneOf } from "../faults/fault.ts";
import type { Order } from "../ledger/order.ts";

/** One thing that a program does. */
export interface Step {
  order: Order;
  /** How often it is sent at once, with one key. */
  copies: number;
  /** When its end is asked for after it was accepted, ms; null: never. */
  cancelAfterMs: number | null;
  /** How long the program rests before its next step, ms. */
  restMs: number;
}

/** What programs submit to. */
export const engines = ["echo", "sleep", "count", "count.single", "flaky"] as const;

/** Draws the next step of a program: each of which the model knows exactly how it ends. */
export function drawStep(context: FaultContext, sink: string): Step {
  const { random, between } = context;
  const order = oneOf(context, kinds, "kind")(context, sink);
  const cancels = random() < 0.1;
  if (cancels) order.may = [...(order.may ?? []), "canceled"];
  return {
    order,
    copies: random() < 0.15 ? between(2, 4) : 1,
    cancelAfterMs: cancels ? between(0, 1_500) : null,
    restMs: between(0, 250),
  };
}

const kinds: readonly ((context: FaultContext, sink: string) => Order)[] = [
  (context) => ({ engine: "echo", input: someJson(context) }),
  ({ between }) => ({ engine: "sleep", input: { ms: between(0, 300) } }),
  ({ between }) => ({ engine: "sleep", input: { ms: between(300, 2_000) } }),
  ({ between }) => ({
    engine: "sleep",
    input: { ms: between(0, 50) },
    options: { delay: `${between(1, 4)}s` },
  }),
  // Far beyond its time.
  ({ between }) => ({
    engine: "sleep",
    input: { ms: 600_000 },
    options: { timeout: `${between(200, 800)}ms`, max_attempts: between(1, 2) },
  }),
  // It may wait longer than it wants to.
  ({ between }) => ({
    engine: "sleep",
    input: { ms: 10 },
    options: { ttl: `${between(1, 3)}s` },
    may: ["expired"],
  }),
  (_context, sink) => ({ engine: "count", input: { sink } }),
  (_context, sink) => ({ engine: "count", input: { sink }, options: { priority: "high" } }),
  (_context, sink) => ({ engine: "count.single", input: { sink } }),
  ({ between }) => ({ engine: "flaky", input: { failures: between(0, 3) } }),
  ({ between }) => ({
    engine: "flaky",
    input: { failures: 20 },
    options: { max_attempts: between(1, 3) },
  }),
];

function someJson({ random, between }: FaultContext, depth = 0): unknown {
  switch (between(0, depth < 3 ? 6 : 4)) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return between(-1_000_000, 1_000_000) / 8;
    case 3:
      return "text “ü” \u{1F40C} ".repeat(between(0, 5));
    case 4:
      return "";
    case 5:
      return Array.from({ length: between(0, 4) }, () => someJson({ random, between }, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: between(0, 4) }, (_, n) => [
          `member ${n}`,
          someJson({ random, between }, depth + 1),
        ]),
      );
  }
}
