import type { ApiDeps } from "./api-deps.ts";
import type { ApiContext, Endpoint } from "./endpoint.ts";
import { withDeadline } from "./with-deadline.ts";

/** A caller is told within this time that there is no answer, ms: a connection that hangs would hold him for 11 s. */
const readWithinMs = 4_000;

/**
 * Has an endpoint answer. What only reads gets 503 where Postgres does not answer in time; what was asked to wait has a
 * time of its own, and what changes something is given up by nobody but itself.
 */
export async function answerInTime(
  { route, handle }: Endpoint,
  c: ApiContext,
  deps: ApiDeps,
): Promise<Response> {
  if (route.method !== "get" || c.req.query("wait") !== undefined) return handle(c, deps);
  return withDeadline(Promise.resolve(handle(c, deps)), readWithinMs);
}
