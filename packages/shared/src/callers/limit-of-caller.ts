import type { Config } from "../config/config.ts";
import type { Caller } from "./caller.ts";

/** `reads` are GETs of statuses and executions: polling never eats the right to submit. */
export type Budget = "requests" | "reads";

/** What a caller may read for each request that it may make. */
const readsPerRequest = 10;

/**
 * How many requests of a budget the caller has in a window; null: no limit, and no rate headers.
 * @param limits of the configuration
 */
export function limitOfCaller(
  caller: Caller,
  budget: Budget,
  limits: Pick<Config, "rateLimit" | "readRateLimit" | "planeRateLimit">,
): number | null {
  const own = caller.kind === "plane" ? limits.planeRateLimit : ownLimit(caller);
  if (own === null) return null;
  if (own === "default") return budget === "reads" ? limits.readRateLimit : limits.rateLimit;
  return budget === "reads" ? own * readsPerRequest : own;
}

function ownLimit(caller: Exclude<Caller, { kind: "plane" }>): number | null | "default" {
  return caller.kind === "program" ? caller.rateLimit : "default";
}
