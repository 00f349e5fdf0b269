import { registerHooks } from "node:module";
import { type Engine, enginesOf } from "@tl-engine/engine-kit";
import { offerKitToModules } from "@tl-engine/engine-kit/run";
import { packageScheme } from "./package-scheme.ts";
import type { EngineModule } from "./protocol.ts";

/**
 * Teaches this thread's `import()` two things: `package:<name>` is resolved from the folder where the worker was
 * started, and engines find the engine-kit and zod wherever they stand.
 */
export function installEngineResolution(resolveFrom: string): void {
  offerKitToModules();
  registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.startsWith(packageScheme)) return next(specifier, context);
      return next(specifier.slice(packageScheme.length), { ...context, parentURL: resolveFrom });
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
