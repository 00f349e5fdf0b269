import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export interface CompileCache {
  /** For `NODE_COMPILE_CACHE` of the processes that are started. */
  readonly folder: string;
  /** Resolves when it is filled, or cannot be. */
  readonly filled: Promise<void>;
}

/**
 * Compiles the sources of the API and the worker once, before they start for the first time. With them in the cache Node
 * need not load its type stripper, which takes 20 MiB in each thread for as long as the process lives, and starts sooner.
 * @param files what the processes load
 */
export function fillCompileCache(root: string, files: readonly string[]): CompileCache {
  const folder = join(root, "node_modules", ".cache", "compile");
  return { folder, filled: existsSync(folder) ? Promise.resolve() : load(folder, files) };
}

async function load(folder: string, files: readonly string[]): Promise<void> {
  const imports = files.map((file) => `import(${JSON.stringify(pathToFileURL(file).href)})`);
  // Best effort: without the cache everything works as well. Whoever is loaded may keep the process up: it is ended.
  const code = `process.on("uncaughtException", () => {}); await Promise.allSettled([${imports.join(", ")}]); process.exit();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    env: { NODE_COMPILE_CACHE: folder },
    stdio: "ignore",
    timeout: 20_000,
  });
  await once(child, "exit").catch(() => undefined);
}
