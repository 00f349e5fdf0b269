import { planeCaller, type Caller, type ProgramCaller } from "@tl-engine/shared/callers/caller.ts";
import type { ApiContext } from "../endpoint.ts";
import { Refusal } from "../problem.ts";
import type { VerifyToken } from "../verify-token.ts";

/** The ways in, one for each kind of caller. */
export interface Credentials {
  isPlaneKey(key: string): boolean;
  /** @returns null for a key that is mistyped, unknown, off, revoked or expired */
  verifyKey(key: string): Promise<ProgramCaller | null>;
  verifyToken: VerifyToken;
}

const bearer = /^Bearer ([^\s,]+)$/i;

/** One text for all causes, so that it never says whether a key exists. */
export function unauthorized(): Refusal {
  return new Refusal(
    "unauthorized",
    "Send one valid credential: X-API-Key, or Authorization: Bearer",
    { headers: { "WWW-Authenticate": 'Bearer realm="tl-engine", ApiKey realm="tl-engine"' } },
  );
}

async function callerOf(c: ApiContext, credentials: Credentials): Promise<Caller | null> {
  const key = c.req.header("x-api-key");
  const authorization = c.req.header("authorization");
  // Neither: nobody. Both: nobody can tell who is meant. A header sent twice arrives joined by a comma and fits neither.
  if ((key === undefined) === (authorization === undefined)) return null;
  if (key !== undefined) {
    return credentials.isPlaneKey(key) ? planeCaller : credentials.verifyKey(key);
  }
  const token = bearer.exec(authorization ?? "")?.[1];
  return token === undefined ? null : credentials.verifyToken(token);
}

/**
 * Turns the credential into a caller.
 * @throws Refusal 401; 503 where it cannot be checked at the moment
 */
export async function authenticate(c: ApiContext, credentials: Credentials): Promise<Caller> {
  const caller = await callerOf(c, credentials);
  if (caller === null) throw unauthorized();
  c.set("caller", caller);
  return caller;
}
