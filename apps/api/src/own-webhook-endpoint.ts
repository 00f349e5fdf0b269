import { ownsEndpoint } from "@tl-engine/shared/callbacks/read-endpoints.ts";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiContext } from "./endpoint.ts";
import { webhookEndpointIdOfPath, webhookEndpointNotFound } from "./webhook-endpoint-id.ts";

/**
 * The caller's own endpoint that an address names: only its owner changes one.
 * @throws Refusal 404
 */
export async function ownWebhookEndpoint(c: ApiContext, { db }: ApiDeps): Promise<string> {
  const id = webhookEndpointIdOfPath(c);
  if (!(await ownsEndpoint(db.pool, c.get("caller").id, id))) throw webhookEndpointNotFound();
  return id;
}
