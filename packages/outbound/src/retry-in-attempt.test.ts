import { describe, expect, it } from "vitest";

import { ConnectionFailedError } from "./errors.ts";
import { waitBeforeRetry, type FailedTry } from "./retry-in-attempt.ts";

const policy = { maxRetries: 10, initialMs: 100, maxMs: 1000, maxRetryAfterMs: 60_000 };
const failed = (facts: Partial<FailedTry> = {}): FailedTry => ({
  error: new ConnectionFailedError("broke", { retryable: true }),
  acted: false,
  retries: 0,
  policy,
  blockedBy: null,
  remainingMs: Number.POSITIVE_INFINITY,
  ...facts,
});

describe("the wait before a retry", () => {
  it("has full jitter: anything up to a bound that doubles and has an end", () => {
    const bounds = [0, 1, 2, 3, 4, 5, 9].map((retries) =>
      waitBeforeRetry(failed({ retries }), () => 1),
    );
    expect(bounds).toEqual([100, 200, 400, 800, 1000, 1000, 1000]);
    expect(waitBeforeRetry(failed({ retries: 3 }), () => 0)).toBe(0);
    expect(waitBeforeRetry(failed({ retries: 3 }), () => 0.25)).toBe(200);
  });

  it("is as long as the other side asked, and not a bit shorter", () => {
    const error = new ConnectionFailedError("broke", { retryable: true, retryAfterMs: 60_000 });
    expect(waitBeforeRetry(failed({ error }), () => 0)).toBe(60_000);
  });

  it("is none where there is no other try", () => {
    const { error } = failed();
    expect(() => waitBeforeRetry(failed({ error, acted: true }))).toThrow("broke");
    expect(() => waitBeforeRetry(failed({ error, retries: 10 }))).toThrow("broke");
    expect(() => waitBeforeRetry(failed({ error, policy: null }))).toThrow("broke");
    expect(() => waitBeforeRetry(failed({ error, remainingMs: 0 }))).toThrow("broke");
    const reason = new Error("canceled");
    expect(() => waitBeforeRetry(failed({ error: reason }))).toThrow(reason);
  });
});
