import { Worker } from "node:worker_threads";
import type { EngineDescriptor } from "@tl-engine/engine-kit";
import type { EngineModule, FromDescriber } from "./protocol.ts";

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
 * What the engine modules offer, in plain JSON. They are loaded in a thread of its own that ends right after: their
 * code never gets into the worker's own thread, nor what they load into its memory.
 * @throws EngineLoadError for a module that does not load, a wrong definition, or an engine version given twice
 */
export async function describeEngines(
  modules: EngineModule[],
  options: DescribeOptions,
): Promise<DescribedEngine[]> {
  const { resolveFrom, env, limitMs = 60_000 } = options;
  const found: DescribedEngine[] = [];
  let loading = "";

  const worker = new Worker(new URL("./describe-thread.ts", import.meta.url), {
    name: "describe engines",
    workerData: { modules, resolveFrom },
    env: env as NodeJS.ProcessEnv,
    execArgv: [],
  });
  const problem = await new Promise<string | null>((resolve) => {
    const fail = (reason: string): void =>
      resolve(`The engines of ${loading} cannot be loaded: ${reason}`);
    let limit: NodeJS.Timeout | undefined;
    const restart = (): void => {
      clearTimeout(limit);
      limit = setTimeout(() => fail(`they took longer than ${limitMs / 1000} s`), limitMs);
    };
    worker.on("message", (message: FromDescriber) => {
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
    worker.on("error", (error: unknown) =>
      fail(error instanceof Error ? error.message : "the thread crashed"),
    );
    worker.on("exit", (code) => {
      clearTimeout(limit);
      fail(`the thread ended with code ${code}`);
    });
    restart();
  });
  await worker.terminate();

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
