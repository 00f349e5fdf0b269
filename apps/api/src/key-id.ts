import type { ApiContext } from "./endpoint.ts";
import { Refusal } from "./problem.ts";

/**
 * The key that an address names.
 * @throws Refusal 404 where there can be none
 */
export function keyIdOfPath(c: ApiContext): string {
  const id = c.req.param("key_id") ?? "";
  if (!/^[0-9A-Za-z]{12}$/.test(id)) throw new Refusal("key_not_found", "There is no such key");
  return id;
}
