import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { FaultCase } from "../case.ts";

/**
 * Every case of the folder, by id: D2 before D11.
 *
 * @throws Error where a file exports no `faultCase`, or two have one id
 */
export async function findCases(folder: string): Promise<FaultCase[]> {
  const names = readdirSync(folder).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  const found = new Map<string, FaultCase>();
  for (const name of names) {
    const module = (await import(pathToFileURL(join(folder, name)).href)) as {
      faultCase?: FaultCase;
    };
    const one = module.faultCase;
    if (one === undefined) throw new Error(`e2e/faults/cases/${name} exports no \`faultCase\``);
    if (found.has(one.id)) throw new Error(`Two cases are called ${one.id}`);
    found.set(one.id, one);
  }
  return [...found.values()].sort((a, b) =>
    a.id.localeCompare(b.id, "en", { numeric: true, sensitivity: "base" }),
  );
}
