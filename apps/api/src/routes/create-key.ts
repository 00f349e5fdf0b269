import { createRoute } from "@hono/zod-openapi";
import { createKeySchema, keyWithSecretSchema } from "@tl-engine/contract";
import { createKey as create } from "@tl-engine/shared/keys/create-key.ts";
import { describeKey } from "@tl-engine/shared/keys/key-record.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import { json, jsonRequest, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** POST /api/v1/keys: tl-plane makes a key for a program. */
export const createKey: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/keys",
    operationId: "createKey",
    summary: "Make a key for a program",
    tags: ["Keys"],
    security: planeCredential,
    request: { body: jsonRequest(createKeySchema) },
    responses: {
      201: json("The key's record and, this once, the key", keyWithSecretSchema, "Location"),
      ...problemsOf("unsupported_media_type", "payload_too_large", "invalid_input"),
    },
  }),
  access: "keys:admin",
  async handle(c, { db, settings }) {
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const { record, key } = await create(db, checkBody(createKeySchema, raw));
    c.header("Location", `/api/v1/keys/${record.id}`);
    return c.json({ ...describeKey(record, settings.rateLimit), key }, 201);
  },
};
