import { registerHooks } from "node:module";
import { type Engine, enginesOf } from "@tl-engine/engine-kit";
import { packageScheme } from "./package-scheme.ts";
import type { EngineModule } from "./protocol.ts";

/** What an engine needs of ours; one outside the repository finds our copies where it has none of its own. */
const lent = ["@tl-engine/engine-kit", "zod"];
const ourKit = import.meta.resolve("@tl-engine/engine-kit");

/**
 * Teaches this thread's `import()` two things: `package:<name>` is resolved from the folder where the worker was
 * started, and engines may import the engine-kit and zod though they have not installed them.
 */
export function installEngineResolution(resolveFrom: string): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier.startsWith(packageScheme)) {
        return next(specifier.slice(packageScheme.length), { ...context, parentURL: resolveFrom });
      }
      try {
        return next(specifier, context);
      } catch (error) {
        const isLent = lent.some((name) => specifier === name || specifier.startsWith(`${name}/`));
        if (!isLent || context.parentURL === ourKit) throw error;
        return next(specifier, { ...context, parentURL: ourKit });
      }
    },
  });
}

/**
 * The engines that a module offers.
 * @throws whatever stops the module from loading, or EngineDefinitionError
 */
export async function loadEngines({ url, source }: EngineModule): Promise<Engine[]> {
  return enginesOf(await import(url), source);
}
