import type { Caller } from "@tl-engine/shared/callers/caller.ts";
import { limitOfCaller, type Budget } from "@tl-engine/shared/callers/limit-of-caller.ts";
import { rateLimitHeaders } from "@tl-engine/shared/rate-limit/headers.ts";
import type { RateLimiter } from "@tl-engine/shared/rate-limit/rate-limiter.ts";
import type { ApiSettings } from "../api-deps.ts";
import type { ApiContext } from "../endpoint.ts";
import { Refusal } from "../problem.ts";

/**
 * Takes one request from the caller's budget and says so in the answer's headers. A caller without a limit gets none.
 * @throws Refusal 429 where the window is spent
 */
export async function takeFromBudget(
  c: ApiContext,
  caller: Caller,
  budget: Budget,
  limiter: RateLimiter,
  settings: ApiSettings,
): Promise<void> {
  const limit = limitOfCaller(caller, budget, settings);
  if (limit === null) return;
  const taken = await limiter.take(caller.id, budget, limit);
  const headers = rateLimitHeaders(taken, budget, settings.rateWindowSeconds);
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  if (taken.allowed) return;
  throw new Refusal(
    "rate_limited",
    `The limit of ${taken.limit} ${budget} in ${settings.rateWindowSeconds} s is spent`,
  );
}
