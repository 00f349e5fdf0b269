import { createRoute } from "@hono/zod-openapi";
import { getKey } from "@tl-engine/shared/keys/get-key.ts";
import { revokeKey as revoke } from "@tl-engine/shared/keys/revoke-key.ts";
import { checkNoBody } from "../check-no-body.ts";
import type { Endpoint } from "../endpoint.ts";
import { keyIdParameter, planeCredential, problemsOf } from "../openapi-parts.ts";
import { keyIdOfPath } from "../key-id.ts";

/** DELETE /api/v1/keys/{key_id}: ends a key for good. */
export const revokeKey: Endpoint = {
  route: createRoute({
    method: "delete",
    path: "/api/v1/keys/{key_id}",
    operationId: "revokeKey",
    summary: "Revoke a key for good",
    description: "It is refused everywhere within 5 s, and stays listed. Asking again is safe.",
    tags: ["Keys"],
    security: planeCredential,
    request: { params: keyIdParameter },
    responses: {
      204: { description: "Revoked" },
      ...problemsOf(
        "key_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "keys:admin",
  async handle(c, deps) {
    const id = keyIdOfPath(c);
    await checkNoBody(c, deps, async () => void (await getKey(deps.db, id)));
    await revoke(deps.db, deps.signals, id);
    return c.body(null, 204);
  },
};
