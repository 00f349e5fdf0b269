import type { Budget } from "../callers/limit-of-caller.ts";
import type { RateDecision } from "./rate-limiter.ts";

/** Each budget is a policy of its own. */
const policies: Record<Budget, string> = { requests: "default", reads: "reads" };

/**
 * The headers that tell a caller about the budget that his request used: the usual three, and the pair of
 * draft-ietf-httpapi-ratelimit-headers-11 (structured fields: a policy with its quota and window, and what
 * remains of it and for how many seconds). `Retry-After` on a refusal alone, never earlier than `t`.
 */
export function rateLimitHeaders(
  decision: RateDecision,
  budget: Budget,
  windowSeconds: number,
): Record<string, string> {
  const { allowed, limit, remaining, resetAt, retryAfterSeconds } = decision;
  const policy = policies[budget];
  return {
    "X-RateLimit-Limit": String(limit),
    "X-RateLimit-Remaining": String(remaining),
    "X-RateLimit-Reset": String(resetAt),
    "RateLimit-Policy": `"${policy}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${policy}";r=${remaining};t=${retryAfterSeconds}`,
    ...(allowed ? {} : { "Retry-After": String(retryAfterSeconds) }),
  };
}
