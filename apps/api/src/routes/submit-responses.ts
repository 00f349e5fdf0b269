import { acceptedSchema, executionSchema } from "@tl-engine/contract";
import { json, problemsOf } from "../openapi-parts.ts";

/** What both submit endpoints answer. */
export const submitResponses = {
  200: json(
    "Done within `Prefer: wait`",
    executionSchema,
    "Location",
    "Idempotency-Replayed",
    "Preference-Applied",
  ),
  202: json(
    "Accepted: recorded, and it cannot be lost any more",
    acceptedSchema,
    "Location",
    "Retry-After",
    "Idempotency-Replayed",
  ),
  ...problemsOf(
    "engine_not_found",
    "execution_purged",
    "unsupported_media_type",
    "payload_too_large",
    "invalid_input",
    "idempotency_mismatch",
    "engine_inactive",
  ),
};
