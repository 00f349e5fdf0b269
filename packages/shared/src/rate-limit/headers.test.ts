import { expect, test } from "vitest";
import { rateLimitHeaders } from "./headers.ts";

const decision = {
  allowed: true,
  limit: 1000,
  remaining: 999,
  resetAt: 1_780_000_000,
  retryAfterSeconds: 3599,
};

test("an answer tells its budget in both spellings", () => {
  expect(rateLimitHeaders(decision, "requests", 3600)).toEqual({
    "X-RateLimit-Limit": "1000",
    "X-RateLimit-Remaining": "999",
    "X-RateLimit-Reset": "1780000000",
    "RateLimit-Policy": '"default";q=1000;w=3600',
    RateLimit: '"default";r=999;t=3599',
  });
  expect(rateLimitHeaders(decision, "reads", 3600)["RateLimit"]).toBe('"reads";r=999;t=3599');
});

test("a refusal says when to come back", () => {
  const headers = rateLimitHeaders({ ...decision, allowed: false, remaining: 0 }, "requests", 3600);
  expect(headers["Retry-After"]).toBe("3599");
});
