import { createRoute } from "@hono/zod-openapi";
import { keySchema } from "@tl-engine/contract";
import { getKey as get } from "@tl-engine/shared/keys/get-key.ts";
import { describeKey } from "@tl-engine/shared/keys/key-record.ts";
import type { Endpoint } from "../endpoint.ts";
import { json, keyIdParameter, planeCredential, problemsOf } from "../openapi-parts.ts";
import { keyIdOfPath } from "../key-id.ts";
import { readQuery } from "../query.ts";

/** GET /api/v1/keys/{key_id} */
export const getKey: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/keys/{key_id}",
    operationId: "getKey",
    summary: "A key's record",
    tags: ["Keys"],
    security: planeCredential,
    request: { params: keyIdParameter },
    responses: {
      200: json("The record, without the secret", keySchema),
      ...problemsOf("key_not_found"),
    },
  }),
  access: "keys:admin",
  async handle(c, { db, settings }) {
    const record = await get(db, keyIdOfPath(c));
    readQuery(c, []);
    return c.json(describeKey(record, settings.rateLimit));
  },
};
