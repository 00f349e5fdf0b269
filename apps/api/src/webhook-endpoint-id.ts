import { webhookEndpointIdPattern } from "@tl-engine/contract";
import type { ApiContext } from "./endpoint.ts";
import { Refusal } from "./problem.ts";

/** One text for an unknown endpoint and somebody else's. */
export function webhookEndpointNotFound(): Refusal {
  return new Refusal("webhook_endpoint_not_found", "There is no such webhook endpoint");
}

/**
 * The webhook endpoint that an address names.
 * @throws Refusal 404 where there can be none
 */
export function webhookEndpointIdOfPath(c: ApiContext): string {
  const id = c.req.param("webhook_endpoint_id") ?? "";
  if (!webhookEndpointIdPattern.test(id)) throw webhookEndpointNotFound();
  return id;
}
