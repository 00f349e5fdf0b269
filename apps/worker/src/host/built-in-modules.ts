import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { builtInEngineModules } from "@tl-engine/engines";
import type { EngineModule } from "./protocol.ts";

/** The modules of the engines that come with tl-engine: addresses only, none of their code. */
export function builtInModules(): EngineModule[] {
  return builtInEngineModules.map((url) => ({
    url,
    source: `engines/${basename(dirname(fileURLToPath(url)))}`,
  }));
}
