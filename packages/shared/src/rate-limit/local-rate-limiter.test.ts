import { expect, test } from "vitest";
import { createLocalRateLimiter } from "./local-rate-limiter.ts";

test("counts whole costs in a window from the first request, and anew after it", async () => {
  let nowMs = 1_000_000;
  const limiter = createLocalRateLimiter(10, () => nowMs);
  expect(await limiter.take("key:a", "requests", 3, 2)).toEqual({
    allowed: true,
    limit: 3,
    remaining: 1,
    resetAt: 1010,
    retryAfterSeconds: 10,
  });
  nowMs += 9500;
  const tooMuch = await limiter.take("key:a", "requests", 3, 2);
  expect(tooMuch).toMatchObject({ allowed: false, remaining: 1, retryAfterSeconds: 1 });
  expect((await limiter.take("key:a", "requests", 3)).remaining).toBe(0);
  expect((await limiter.take("key:a", "reads", 30)).remaining).toBe(29);
  nowMs += 500;
  const next = await limiter.take("key:a", "requests", 3);
  expect(next).toMatchObject({ allowed: true, remaining: 2, resetAt: 1020 });
});
