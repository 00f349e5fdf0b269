/** Loads engine modules, once, to say what they offer; ends with its last word. Started by describe-engines.ts. */
import { describeEngine } from "@tl-engine/engine-kit";
import { toExecutionError } from "@tl-engine/engine-kit/run";
import { installEngineResolution, loadEngines } from "./load-engines.ts";
import type { FromDescriber, ToDescriber } from "./protocol.ts";

const say = (message: FromDescriber): void => void process.send?.(message);

// The worker ended: nobody listens any more.
process.once("disconnect", () => process.exit(0));
process.once("message", ({ modules, resolveFrom }: ToDescriber) => {
  installEngineResolution(resolveFrom);
  void (async () => {
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
  })();
});
