import type { Execution } from "@tl-engine/client";
import { expect, test } from "vitest";
import { judge } from "./model.ts";
import type { Order } from "./order.ts";

const ended = (given: Partial<Execution>): Execution =>
  ({ status: "succeeded", attempt: 1, attempts: [], error: null, ...given }) as Execution;
const attempt = (outcome: string): object => ({ outcome, error: null });
const failed = (code: string, more: Partial<Execution> = {}): Execution =>
  ended({ status: "failed", error: { code, detail: "" } as Execution["error"], ...more });

const sleep: Order = { engine: "sleep", input: { ms: 1 } };

test.each<[string, Order, Execution]>([
  ["an output", { engine: "echo", input: { a: [1] } }, ended({ output: { a: [1] } })],
  [
    "the last of some attempts",
    { engine: "flaky", input: { failures: 2 } },
    ended({ attempt: 3, output: { attempt: 3 } }),
  ],
  [
    "the last failure",
    { engine: "flaky", input: { failures: 9 } },
    failed("engine_error", { attempt: 5 }),
  ],
  [
    "a timeout",
    { engine: "sleep", input: { ms: 9_999 }, options: { timeout: "100ms", max_attempts: 2 } },
    failed("timeout", { attempt: 2 }),
  ],
  ["a cancel that came in time", { ...sleep, may: ["canceled"] }, ended({ status: "canceled" })],
  [
    "a cancel that came too late",
    { ...sleep, may: ["canceled"] },
    ended({ output: { attempt: 1 } }),
  ],
  [
    "a third loss",
    sleep,
    failed("worker_lost", { attempts: [1, 2, 3].map(() => attempt("worker_lost")) as never }),
  ],
])("%s is what had to come out", (_what, order, execution) => {
  expect(judge(order, execution)).toBeNull();
});

test.each<[string, Order, Execution, RegExp]>([
  ["another output", { engine: "echo", input: 1 }, ended({ output: 2 }), /gave 2, not 1/],
  ["a failure", sleep, failed("timeout"), /ended failed/],
  ["an attempt too many", sleep, ended({ attempt: 2, output: { attempt: 1 } }), /took 2 attempts/],
  ["a cancel that nobody asked for", sleep, ended({ status: "canceled" }), /ended canceled/],
  [
    "a loss too few",
    sleep,
    failed("worker_lost", { attempts: [attempt("worker_lost")] as never }),
    /after 1 loss/,
  ],
  [
    "two results",
    sleep,
    ended({
      output: { attempt: 1 },
      attempts: [attempt("succeeded"), attempt("succeeded")] as never,
    }),
    /succeeded in 2 attempts/,
  ],
  [
    "an expiry after a start",
    { ...sleep, may: ["expired"] },
    ended({ status: "expired", attempts: [attempt("failed")] as never }),
    /it had been started/,
  ],
  ["another end than it has to have", { ...sleep, must: "expired" }, ended({}), /not expired/],
])("%s is not", (_what, order, execution, why) => {
  expect(judge(order, execution)).toMatch(why);
});
