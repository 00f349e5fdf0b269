import { registerHooks } from "node:module";

const offered = /^(@tl-engine\/engine-kit|zod)(\/|$)/;

/**
 * Lets an engine's file stand anywhere on the disk: where its own folder has no
 * `@tl-engine/engine-kit` or `zod`, it gets this one. A project's own copy comes first.
 * For the thread that calls it, until the returned function is called.
 */
export function offerKitToModules(): () => void {
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      if (!offered.test(specifier)) return nextResolve(specifier, context);
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      }
    },
  });
  return () => hooks.deregister();
}
