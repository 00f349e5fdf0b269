import { createRoute } from "@hono/zod-openapi";
import { changeKeySchema, keySchema } from "@tl-engine/contract";
import { changeKey as change } from "@tl-engine/shared/keys/change-key.ts";
import { getKey } from "@tl-engine/shared/keys/get-key.ts";
import { describeKey } from "@tl-engine/shared/keys/key-record.ts";
import { checkBody } from "../body-errors.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import {
  json,
  jsonRequest,
  keyIdParameter,
  planeCredential,
  problemsOf,
} from "../openapi-parts.ts";
import { keyIdOfPath } from "../key-id.ts";
import { readQuery } from "../query.ts";

/** PATCH /api/v1/keys/{key_id}: changes the members that are given. */
export const changeKey: Endpoint = {
  route: createRoute({
    method: "patch",
    path: "/api/v1/keys/{key_id}",
    operationId: "changeKey",
    summary: "Change a key",
    tags: ["Keys"],
    security: planeCredential,
    request: { params: keyIdParameter, body: jsonRequest(changeKeySchema) },
    responses: {
      200: json("The record as it is now", keySchema),
      ...problemsOf(
        "key_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
        "key_revoked",
      ),
    },
  }),
  access: "keys:admin",
  async handle(c, { db, signals, settings }) {
    const { id } = await getKey(db, keyIdOfPath(c));
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const record = await change(db, signals, id, checkBody(changeKeySchema, raw));
    return c.json(describeKey(record, settings.rateLimit));
  },
};
