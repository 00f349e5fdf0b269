import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { packageScheme } from "./host/package-scheme.ts";
import type { EngineModule } from "./host/protocol.ts";

const file = /\.[cm]?[jt]s$/;

/**
 * The modules that `TL_ENGINES` names: file paths (absolute, `./…`, or ending as a module does), from the folder
 * given, and package names.
 */
export function engineModules(entries: readonly string[], folder: string): EngineModule[] {
  return entries.map((source) => {
    const isFile = isAbsolute(source) || source.startsWith(".") || file.test(source);
    return {
      source,
      url: isFile ? pathToFileURL(resolve(folder, source)).href : `${packageScheme}${source}`,
    };
  });
}
