import { z } from "zod";

/** What `.describe()` and `.meta()` may add: words for readers, nothing that judges values. */
const told = new Set(["id", "title", "description", "examples", "deprecated"]);

/** An author's metadata as JSON Schema annotations. */
export function annotationsOf(
  schema: z.core.$ZodType,
  refuse: (what: string, remedy: string) => void,
): Record<string, unknown> {
  const meta: Record<string, unknown> = z.globalRegistry.get(schema) ?? {};
  const annotations: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(meta)) {
    if (value === undefined) continue;
    if (told.has(key)) annotations[key] = value;
    else if (key === "example") annotations["examples"] = [value];
    else
      refuse(
        `meta({ ${key} })`,
        `only ${[...told].join(", ")} can be told; say what judges values in zod`,
      );
  }
  return annotations;
}
