import { createRoute } from "@hono/zod-openapi";
import { callbackSecretSchema, rotateSigningSecretSchema } from "@tl-engine/contract";
import { rotateCallbackSecret as rotate } from "@tl-engine/shared/callbacks/callback-secret.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import type { Endpoint } from "../endpoint.ts";
import { readJsonBody } from "../json-body.ts";
import { anyCredential, json, jsonRequest, problemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";
import { readSigningOverlap } from "../signing-overlap.ts";

/** POST /api/v1/callback-secret/rotate */
export const rotateCallbackSecret: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/callback-secret/rotate",
    operationId: "rotateCallbackSecret",
    summary: "Another callback secret",
    description:
      "Both sign for `overlap`: 24 h where it is left out, at most 7 d; `0s` ends the old one now.",
    tags: ["Webhooks"],
    security: anyCredential,
    request: { body: jsonRequest(rotateSigningSecretSchema, false) },
    responses: {
      201: json("The new secret, and the one before while it signs too", callbackSecretSchema),
      ...problemsOf("unsupported_media_type", "payload_too_large", "invalid_input"),
    },
  }),
  access: "executions:write",
  async handle(c, { db, secretBox, settings }) {
    const raw = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    const overlapMs = readSigningOverlap(raw);
    const box = demandSecretBox(secretBox);
    return c.json(await rotate(db.pool, box, c.get("caller").id, overlapMs), 201);
  },
};
