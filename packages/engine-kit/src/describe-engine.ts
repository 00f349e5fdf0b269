import { type EngineDescriptor } from "./descriptor.ts";
import { type Engine, engineInternals } from "./engine.ts";

/** An engine in plain JSON: identity, JSON Schemas, policy with all defaults filled in. */
export function describeEngine(engine: Pick<Engine, typeof engineInternals>): EngineDescriptor {
  return engine[engineInternals].descriptor;
}
