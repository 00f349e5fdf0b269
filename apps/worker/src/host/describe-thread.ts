/** Loads engine modules, once, to say what they offer; ends with its last word. Started by describe-engines.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { describeEngine } from "@tl-engine/engine-kit";
import { toExecutionError } from "@tl-engine/engine-kit/run";
import { installEngineResolution, loadEngines } from "./load-engines.ts";
import type { EngineModule, FromDescriber } from "./protocol.ts";

const port = parentPort;
const { modules, resolveFrom } = workerData as { modules: EngineModule[]; resolveFrom: string };
const say = (message: FromDescriber): void => port?.postMessage(message);

installEngineResolution(resolveFrom);
for (const module of modules) {
  const { source } = module;
  say({ kind: "loading", source });
  try {
    const engines = await loadEngines(module);
    say({
      kind: "described",
      source,
      descriptors: engines.map((engine) => describeEngine(engine)),
    });
  } catch (error) {
    say({ kind: "failed", source, reason: toExecutionError(error).message });
  }
}
say({ kind: "done" });
