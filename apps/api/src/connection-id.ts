import { connectionIdPattern } from "@tl-engine/contract";
import type { ApiContext } from "./endpoint.ts";
import { Refusal } from "./problem.ts";

/** The refusal for a connection that is not there. */
export function connectionNotFound(): Refusal {
  return new Refusal("connection_not_found", "There is no such connection");
}

/**
 * The connection that an address names.
 * @throws Refusal 404 where there can be none
 */
export function connectionIdOfPath(c: ApiContext): string {
  const id = c.req.param("connection_id") ?? "";
  if (!connectionIdPattern.test(id)) throw connectionNotFound();
  return id;
}
