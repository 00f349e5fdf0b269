import { createRoute } from "@hono/zod-openapi";
import { callbackSecretSchema } from "@tl-engine/contract";
import { readCallbackSecret } from "@tl-engine/shared/callbacks/callback-secret.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import type { Endpoint } from "../endpoint.ts";
import { anyCredential, json, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /api/v1/callback-secret: shows a caller what signs the deliveries to his callbacks' URLs. */
export const getCallbackSecret: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/callback-secret",
    operationId: "getCallbackSecret",
    summary: "The caller's own callback secret",
    description:
      "It signs what is sent to the `callback.url` of a submit, and is made when it is needed first.",
    tags: ["Webhooks"],
    security: anyCredential,
    responses: { 200: json("The secret", callbackSecretSchema), ...problemsOf() },
  }),
  access: "executions:write",
  async handle(c, { db, secretBox }) {
    readQuery(c, []);
    const box = demandSecretBox(secretBox);
    return c.json(await readCallbackSecret(db.pool, box, c.get("caller").id));
  },
};
