import type { Callback, ProblemError } from "@tl-engine/contract";
import { ownsEndpoint } from "@tl-engine/shared/callbacks/read-endpoints.ts";
import { NoSecretKeyError } from "@tl-engine/shared/secrets/secret-errors.ts";
import type { ApiDeps } from "./api-deps.ts";

/**
 * Holds a submit's callback against what is there: an endpoint has to be the caller's own. A URL costs no look, since where
 * it leads is judged when it is called.
 * @throws NoSecretKeyError where nothing could be signed
 */
export async function checkCallback(
  { db, secretBox }: Pick<ApiDeps, "db" | "secretBox">,
  callerId: string,
  callback: Callback | undefined,
): Promise<ProblemError[]> {
  if (callback === undefined) return [];
  if (secretBox === null) throw new NoSecretKeyError();
  const { endpoint } = callback;
  if (endpoint === undefined || (await ownsEndpoint(db.pool, callerId, endpoint))) return [];
  return [{ pointer: "/callback/endpoint", detail: "is no webhook endpoint of yours" }];
}
