import { createHash } from "node:crypto";
import type { Scope } from "@tl-engine/contract";

/** Whoever a credential stands for. Every repository function takes one. */
export type Caller = PlaneCaller | ProgramCaller | FrontEndCaller;

/** tl-plane: may everything, sees every caller's executions. */
export interface PlaneCaller {
  readonly kind: "plane";
  readonly id: "plane";
}

/** A program with a key of ours. */
export interface ProgramCaller {
  readonly kind: "program";
  readonly id: `key:${string}`;
  readonly keyId: string;
  readonly scopes: ReadonlySet<string>;
  /** null: every engine. */
  readonly engines: ReadonlySet<string> | null;
  /** Requests in a window; null: no limit; "default": what the configuration says. */
  readonly rateLimit: number | null | "default";
}

/** A person's browser or app with a token. */
export interface FrontEndCaller {
  readonly kind: "front_end";
  readonly id: `jwt:${string}`;
  readonly scopes: ReadonlySet<string>;
}

export const planeCaller: PlaneCaller = { kind: "plane", id: "plane" };

/** The name of a key's caller; it stays through a reroll. */
export function programCallerId(keyId: string): `key:${string}` {
  return `key:${keyId}`;
}

/**
 * The name of a token's caller: issuer and subject, hashed, since a subject may be an address of a
 * person and the name is seen in logs, counters and rows.
 */
export function frontEndCallerId(issuer: string, subject: string): `jwt:${string}` {
  const hash = createHash("sha256").update(JSON.stringify([issuer, subject]));
  return `jwt:${hash.digest("base64url")}`;
}

/** Whether the caller has been given a scope. tl-plane has all of them; admin scopes are its alone. */
export function hasScope(caller: Caller, scope: Scope): boolean {
  return caller.kind === "plane" || caller.scopes.has(scope);
}

/** Whether the engine exists for this caller: an engine outside a key's list is absent. */
export function seesEngine(caller: Caller, engineId: string): boolean {
  switch (caller.kind) {
    case "plane":
    case "front_end":
      return true;
    case "program":
      return caller.engines === null || caller.engines.has(engineId);
  }
}

/** Whether a scope allows executing this engine; says nothing about whether the caller sees it. */
export function hasExecuteScope(caller: Caller, engineId: string): boolean {
  if (caller.kind === "plane") return true;
  return caller.scopes.has("engines:execute") || caller.scopes.has(`engines:execute:${engineId}`);
}

/** Whether the caller may submit work to this engine (an id without a version). */
export function mayExecute(caller: Caller, engineId: string): boolean {
  return seesEngine(caller, engineId) && hasExecuteScope(caller, engineId);
}

/** Whether there is any engine that the caller's scopes let it execute: asked before the body is read. */
export function mayExecuteSome(caller: Caller): boolean {
  if (hasScope(caller, "engines:execute")) return true;
  return (
    caller.kind !== "plane" && [...caller.scopes].some((s) => s.startsWith("engines:execute:"))
  );
}
