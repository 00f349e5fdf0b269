import {
  ConnectionExistsError,
  ConnectionInvalidError,
  ConnectionNotFoundError,
} from "@tl-engine/shared/connections/connection-errors.ts";
import {
  TooManyWebhookEndpointsError,
  WebhookEndpointNotFoundError,
} from "@tl-engine/shared/callbacks/endpoint-errors.ts";
import { isBadValue, isUnavailable } from "@tl-engine/shared/db/error-class.ts";
import { KeyNotFoundError, KeyRevokedError } from "@tl-engine/shared/keys/key-errors.ts";
import { NoSecretKeyError } from "@tl-engine/shared/secrets/secret-errors.ts";
import {
  EngineExistsError,
  EngineInUseError,
  RemoteEngineInvalidError,
  RemoteEngineNotFoundError,
} from "@tl-engine/shared/remote-engines/remote-engine-errors.ts";
import { HTTPException } from "hono/http-exception";
import { invalidBody } from "./body-errors.ts";
import { connectionNotFound } from "./connection-id.ts";
import { engineNotFound } from "./engine-ref.ts";
import { Refusal } from "./problem.ts";
import { unavailable } from "./unavailable.ts";
import { webhookEndpointNotFound } from "./webhook-endpoint-id.ts";

/**
 * What any error means to the caller. Three tiers: a refusal of ours; what the framework or the database say in
 * their own words; and null for the rest, which is a defect and says nothing of itself.
 */
export function toProblem(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  if (error instanceof HTTPException) {
    return error.status < 500
      ? new Refusal("malformed_request", "The request cannot be read")
      : null;
  }
  if (error instanceof KeyNotFoundError)
    return new Refusal("key_not_found", "There is no such key");
  if (error instanceof KeyRevokedError) {
    return new Refusal("key_revoked", "The key is revoked for good; create another one");
  }
  if (error instanceof ConnectionNotFoundError) return connectionNotFound();
  if (error instanceof ConnectionExistsError) {
    return new Refusal("connection_exists", error.message);
  }
  if (error instanceof ConnectionInvalidError) return invalidBody(error.errors);
  if (error instanceof WebhookEndpointNotFoundError) return webhookEndpointNotFound();
  if (error instanceof TooManyWebhookEndpointsError) {
    const detail = `would be one more than the ${error.max} that a caller may have; remove one`;
    return invalidBody([{ pointer: "", detail }]);
  }
  if (error instanceof NoSecretKeyError) return unavailable(error.message);
  if (error instanceof RemoteEngineNotFoundError) return engineNotFound();
  if (error instanceof EngineExistsError) return new Refusal("engine_exists", error.message);
  if (error instanceof EngineInUseError) return new Refusal("engine_in_use", error.message);
  if (error instanceof RemoteEngineInvalidError) return invalidBody(error.errors);
  if (isUnavailable(error)) return unavailable();
  // A value that passed the door and that Postgres refuses all the same: the caller's, not ours.
  if (isBadValue(error)) {
    return new Refusal("invalid_input", "The request holds a value that cannot be stored");
  }
  return null;
}
