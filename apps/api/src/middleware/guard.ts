import type { Caller } from "@tl-engine/shared/callers/caller.ts";
import type { MiddlewareHandler } from "hono";
import type { ApiDeps } from "../api-deps.ts";
import type { ApiEnv } from "../api-env.ts";
import { budgetOf, type Endpoint } from "../endpoint.ts";
import { unavailable } from "../unavailable.ts";
import { withDeadline } from "../with-deadline.ts";
import { authenticate, type Credentials } from "./authenticate.ts";
import { takeFromBudget } from "./rate-limit.ts";
import { requireAccess } from "./require-access.ts";

/** A database that hangs must not hold up the refusal: a submit is answered within 3 s. */
const identifyWithinMs = 2_500;

/** Who is it, has he requests left, may he do this: 401, 429, 403, in this order, before an endpoint's own checks. */
export function guard(
  endpoint: Endpoint,
  credentials: Credentials,
  { limiter, settings, isStarting }: ApiDeps,
): MiddlewareHandler<ApiEnv> {
  const { access } = endpoint;
  const budget = budgetOf(endpoint);
  return async function guard(c, next) {
    if (access !== "public" && isStarting()) {
      throw unavailable("The service is starting; try again");
    }
    if (access !== "public" && access !== "own") {
      const identify = async (): Promise<Caller> => {
        const caller = await authenticate(c, credentials);
        await takeFromBudget(c, caller, budget, limiter, settings);
        return caller;
      };
      const caller = await withDeadline(identify(), identifyWithinMs);
      requireAccess(caller, typeof access === "function" ? access(c) : access);
    }
    await next();
  };
}
