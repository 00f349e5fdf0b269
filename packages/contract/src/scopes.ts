import { z } from "zod";

/** Scopes that a key or a token may carry; the admin scopes belong to tl-plane alone. */
export const callerScopes = [
  "engines:read",
  "engines:execute",
  "executions:read",
  "executions:write",
  "metrics:read",
] as const;

/** What a credential may do when it names no scope at all. */
export const defaultScopes = [
  "engines:read",
  "engines:execute",
  "executions:read",
  "executions:write",
] as const;

/** Scopes of tl-plane that no key and no token can have. */
export const adminScopes = ["keys:admin", "connections:admin", "engines:admin"] as const;

export type Scope = (typeof callerScopes)[number] | (typeof adminScopes)[number];

/** An engine's id. */
export const engineIdPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const narrowExecute = /^engines:execute:[a-z0-9][a-z0-9._-]{0,63}$/;

/** A scope as a key lists it: one of the words, or `engines:execute:<engine>`. */
export const scopeSchema = z
  .union([z.enum(callerScopes), z.string().regex(narrowExecute, "must be a scope a key can have")])
  .meta({ description: `One of ${callerScopes.join(", ")}, or engines:execute:<engine>` });
