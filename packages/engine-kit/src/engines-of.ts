import { type Engine, engineInternals } from "./engine.ts";
import { EngineDefinitionError } from "./errors.ts";

/**
 * The engines that a module offers: its default export, one engine or an array of them.
 *
 * @param moduleNamespace what `await import(…)` gave
 * @param source the file or package, for the message
 * @throws EngineDefinitionError where there is none, or one of them twice
 */
export function enginesOf(moduleNamespace: unknown, source: string): Engine[] {
  const offered = defaultOf(moduleNamespace);
  const list: readonly unknown[] = Array.isArray(offered) ? offered : [offered];
  const problems: string[] = [];
  const engines = new Map<string, Engine>();
  if (offered === undefined) {
    problems.push("it has no default export; write `export default defineEngine({ … })`");
  } else if (list.length === 0) {
    problems.push("its default export is an empty list");
  } else {
    list.forEach((candidate, i) => {
      const name = Array.isArray(offered) ? `default[${i}]` : "its default export";
      if (!isEngine(candidate)) {
        problems.push(`${name} is no engine; make it with defineEngine({ … })`);
        return;
      }
      if ((candidate[engineInternals].format as number) !== 1) {
        problems.push(
          `${name} was made by an engine-kit that this worker does not know; use the same version`,
        );
        return;
      }
      const key = `${candidate.id}@${candidate.version}`;
      if (engines.has(key)) problems.push(`${key} is there twice`);
      engines.set(key, candidate);
    });
  }
  if (problems.length > 0) throw new EngineDefinitionError(source, problems);
  return [...engines.values()];
}

function isEngine(value: unknown): value is Engine {
  return typeof value === "object" && value !== null && engineInternals in value;
}

/** CommonJS modules that were compiled from ES modules nest their default export once more. */
function defaultOf(moduleNamespace: unknown): unknown {
  if (typeof moduleNamespace !== "object" || moduleNamespace === null) return undefined;
  const outer = (moduleNamespace as { default?: unknown }).default;
  if (typeof outer === "object" && outer !== null && !isEngine(outer) && "default" in outer) {
    return outer.default;
  }
  return outer;
}
