import type { EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { engineNotFound } from "./engine-ref.ts";
import { Refusal } from "./problem.ts";

/**
 * Answers a submit to an engine that may be gone: only a replay gets past that. Whatever else is wrong with the
 * request, the engine's 404 comes first.
 * @throws Refusal
 */
export async function engineComesFirst(
  engine: EngineVersion | null,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    const isRefusal = error instanceof Refusal && error.code !== "unavailable";
    throw engine === null && isRefusal ? engineNotFound() : error;
  }
}
