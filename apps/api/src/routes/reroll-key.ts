import { createRoute } from "@hono/zod-openapi";
import {
  keyWithSecretSchema,
  maxOverlapMs,
  parseDuration,
  rerollKeySchema,
} from "@tl-engine/contract";
import { getKey } from "@tl-engine/shared/keys/get-key.ts";
import { describeKey } from "@tl-engine/shared/keys/key-record.ts";
import { rerollKey as reroll } from "@tl-engine/shared/keys/reroll-key.ts";
import { checkBody, invalidBody } from "../body-errors.ts";
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

/** POST /api/v1/keys/{key_id}/reroll: a second secret for the same record. */
export const rerollKey: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/keys/{key_id}/reroll",
    operationId: "rerollKey",
    summary: "Give a key another secret",
    description:
      "The old secret is taken for `overlap` longer: 0 s where it is left out, at most 7 d.",
    tags: ["Keys"],
    security: planeCredential,
    request: { params: keyIdParameter, body: jsonRequest(rerollKeySchema, false) },
    responses: {
      201: json("The key's record and, this once, the new key", keyWithSecretSchema),
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
    // No body says the default; a body of `null` is a body, and a wrong one.
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const wanted = raw === undefined ? {} : checkBody(rerollKeySchema, raw);
    const overlapMs = parseDuration(wanted.overlap ?? "0s") ?? 0;
    if (overlapMs > maxOverlapMs) {
      throw invalidBody([{ pointer: "/overlap", detail: "must be at most 7d" }]);
    }
    const { record, key } = await reroll(db, signals, id, overlapMs);
    return c.json({ ...describeKey(record, settings.rateLimit), key }, 201);
  },
};
