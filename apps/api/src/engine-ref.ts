import { engineRefPattern } from "@tl-engine/contract";
import { seesEngine, type Caller } from "@tl-engine/shared/callers/caller.ts";
import { Refusal } from "./problem.ts";

/** An engine as an address or a body names it: `resize` or `resize@2`. */
export interface EngineRef {
  /** As it was asked for. */
  ref: string;
  id: string;
  version: number | null;
}

/** @returns null where the text names no engine that could exist */
export function parseEngineRef(ref: string): EngineRef | null {
  if (!engineRefPattern.test(ref)) return null;
  const [id = "", version] = ref.split("@");
  return { ref, id, version: version === undefined ? null : Number(version) };
}

/** One text for an engine that is unknown and one outside the caller's list. */
export function engineNotFound(): Refusal {
  return new Refusal("engine_not_found", "There is no such engine");
}

/**
 * The engine that an address names, as far as this caller is concerned.
 * @throws Refusal 404 where it cannot exist, or not for this caller
 */
export function engineOfPath(ref: string, caller: Caller): EngineRef {
  const parsed = parseEngineRef(ref);
  if (parsed === null || !seesEngine(caller, parsed.id)) throw engineNotFound();
  return parsed;
}
