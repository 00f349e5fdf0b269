import { frontEndCallerId, type FrontEndCaller } from "@tl-engine/shared/callers/caller.ts";
import { scopesOfToken } from "@tl-engine/shared/callers/token-scopes.ts";
import {
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from "jose";
import { createSecretKey } from "node:crypto";
import { parseJson } from "./json-body.ts";
import { Refusal } from "./problem.ts";
import { remoteTokenKeys } from "./token-keys.ts";

export interface TokenSettings {
  jwt: { kind: "secret"; secret: string } | { kind: "jwks"; url: string } | null;
  jwtIssuer: string;
  jwtAudience: string;
}

/** Checks a bearer token. @returns its caller, or null for any token that is not good */
export type VerifyToken = (token: string) => Promise<FrontEndCaller | null>;

/** Longer ones are not read; a header line of 16 KiB is the server's limit anyway. */
const maxTokenLength = 8_192;
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** A key's id is a name, not a path and not a query. */
const plainKeyId = /^[A-Za-z0-9._:+=-]{1,256}$/;
/** Members by which a token would bring or point to its own key (RFC 7515, 4.1). */
const foreignKeys = ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"];

type Members = Record<string, unknown>;

/** One part of a token as a JSON object: strict UTF-8, bounded nesting, numbers that arrive as written; or null. */
function readPart(part: string): Members | null {
  try {
    const value = parseJson(Buffer.from(part, "base64url"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Members)
      : null;
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** What jose lets pass and we do not, before any signature is computed. */
function isPlain(token: string): boolean {
  if (token.length > maxTokenLength || !compact.test(token)) return false;
  const [headerPart = "", payloadPart = ""] = token.split(".");
  const header = readPart(headerPart);
  if (header === null || readPart(payloadPart) === null) return false;
  if (foreignKeys.some((name) => Object.hasOwn(header, name))) return false;
  const { kid } = header;
  return kid === undefined || (typeof kid === "string" && plainKeyId.test(kid));
}

function callerOf(payload: JWTPayload): FrontEndCaller | null {
  const { iss, sub, exp, scope } = payload;
  if (typeof iss !== "string" || typeof sub !== "string" || sub === "") return null;
  if (typeof exp !== "number" || !Number.isFinite(exp)) return null;
  return { kind: "front_end", id: frontEndCallerId(iss, sub), scopes: scopesOfToken(scope) };
}

/**
 * The check of front ends' tokens: signed with HS256 by the shared secret, or with RS256, ES256 or EdDSA by a key of
 * the configured set, never both; `exp`, `sub`, issuer and audience are required; clocks may differ by 5 s.
 * @returns a check that refuses every token where none is configured
 */
export function tokenVerifier({ jwt, jwtIssuer, jwtAudience }: TokenSettings): VerifyToken {
  if (jwt === null) return () => Promise.resolve(null);
  const options: JWTVerifyOptions = {
    algorithms: jwt.kind === "secret" ? ["HS256"] : ["RS256", "ES256", "EdDSA"],
    issuer: jwtIssuer,
    audience: jwtAudience,
    requiredClaims: ["exp", "sub", "iss", "aud"],
    clockTolerance: 5,
  };
  const verify =
    jwt.kind === "secret"
      ? withSecret(jwt.secret, options)
      : withKeys(remoteTokenKeys(jwt.url), options);
  return async (token) => {
    if (!isPlain(token)) return null;
    try {
      return callerOf(await verify(token));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      return null;
    }
  };
}

type Verify = (token: string) => Promise<JWTPayload>;

function withSecret(secret: string, options: JWTVerifyOptions): Verify {
  const key = createSecretKey(Buffer.from(secret));
  return async (token) => (await jwtVerify(token, key, options)).payload;
}

function withKeys(keys: JWTVerifyGetKey, options: JWTVerifyOptions): Verify {
  return async (token) => {
    try {
      return (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      // A token without a key id, where several keys of the set could be meant: any of them may have signed it.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        const found = await jwtVerify(token, key, options).catch(() => null);
        if (found !== null) return found.payload;
      }
      throw error;
    }
  };
}
