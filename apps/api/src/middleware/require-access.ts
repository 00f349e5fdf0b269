import { hasScope, mayExecuteSome, type Caller } from "@tl-engine/shared/callers/caller.ts";
import type { Access } from "../endpoint.ts";
import { Refusal } from "../problem.ts";

/** The refusal of a caller whose scopes do not reach. */
export function forbidden(needed: string): Refusal {
  return new Refusal("forbidden", `This needs the scope ${needed}`);
}

/** @throws Refusal 403 where the caller's scopes do not open the endpoint */
export function requireAccess(caller: Caller, access: Access): void {
  if (access === "any_execute") {
    if (!mayExecuteSome(caller)) throw forbidden("engines:execute");
  } else if (!hasScope(caller, access)) throw forbidden(access);
}
