import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { EngineDescriptor } from "@tl-engine/engine-kit";
import type { EngineModule, FromDescriber, ToDescriber } from "./protocol.ts";

/** An engine version and the module it comes from. */
export interface DescribedEngine {
  module: EngineModule;
  descriptor: EngineDescriptor;
}

/** An engine module that cannot be served; the message names it and says why. */
export class EngineLoadError extends Error {
  override readonly name = "EngineLoadError";
}

export interface DescribeOptions {
  /** The folder, as a file address, from which package names are resolved. */
  resolveFrom: string;
  env: Record<string, string | undefined>;
  /** A module that takes longer to load counts as broken, ms. */
  limitMs?: number;
}

/**
 * What the engine modules offer, in plain JSON. They are loaded in a process of its own that ends right after: their
 * code never gets into the worker's own thread, nor what they load into its memory (threads leave some 10 MiB behind).
 * @throws EngineLoadError for a module that does not load, a wrong definition, or an engine version given twice
 */
export async function describeEngines(
  modules: EngineModule[],
  options: DescribeOptions,
): Promise<DescribedEngine[]> {
  const { resolveFrom, env, limitMs = 60_000 } = options;
  const found: DescribedEngine[] = [];
  let loading = "";

  const child = fork(fileURLToPath(new URL("./describe-process.ts", import.meta.url)), {
    env,
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const order: ToDescriber = { modules, resolveFrom };
  child.send(order);
  const problem = await new Promise<string | null>((resolve) => {
    const fail = (reason: string): void =>
      resolve(`The engines of ${loading} cannot be loaded: ${reason}`);
    let limit: NodeJS.Timeout | undefined;
    const restart = (): void => {
      clearTimeout(limit);
      limit = setTimeout(() => fail(`they took longer than ${limitMs / 1000} s`), limitMs);
    };
    child.on("message", (message: FromDescriber) => {
      restart();
      if (message.kind === "loading") loading = message.source;
      else if (message.kind === "described") {
        const module = modules.find(({ source }) => source === message.source);
        for (const descriptor of message.descriptors as EngineDescriptor[]) {
          if (module !== undefined) found.push({ module, descriptor });
        }
      } else if (message.kind === "failed") fail(message.reason);
      else resolve(null);
    });
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code, signal) => {
      clearTimeout(limit);
      fail(`their process ended with ${signal ?? `code ${code}`}`);
    });
    restart();
  });
  // Whatever keeps it alive, it has said all. The end by itself is the better one: it writes the compile cache.
  if (problem === null) child.disconnect();
  else child.kill("SIGKILL");
  await gone;

  const wrong = problem ?? doubleOf(found);
  if (wrong !== null) throw new EngineLoadError(wrong);
  return found;
}

function doubleOf(found: DescribedEngine[]): string | null {
  const sources = new Map<string, string>();
  for (const { module, descriptor } of found) {
    const name = `${descriptor.id}@${descriptor.version}`;
    const other = sources.get(name);
    if (other !== undefined) {
      return `The engine ${name} is offered by ${other} and by ${module.source}; give one of them another id or version.`;
    }
    sources.set(name, module.source);
  }
  return null;
}
