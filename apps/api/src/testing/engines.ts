import type { EngineDescriptor } from "@tl-engine/shared/catalogue/publish.ts";

const minute = 60_000;
const day = 86_400_000;

function descriptor(
  id: string,
  version: number,
  input_schema: object,
  policy: Partial<EngineDescriptor["policy"]> = {},
): EngineDescriptor {
  return {
    id,
    version,
    title: `The engine ${id}`,
    description: null,
    input_schema,
    output_schema: {},
    example: null,
    policy: {
      timeout_ms: minute,
      timeout_max_ms: 60 * minute,
      ttl_ms: day,
      ttl_max_ms: 30 * day,
      max_attempts: 3,
      max_attempts_max: 25,
      backoff_initial_ms: 1_000,
      backoff_factor: 2,
      backoff_max_ms: 5 * minute,
      concurrency: null,
      isolation: "inline",
      short_ms: null,
      memory_mib: 256,
      uses: [],
      ...policy,
    },
  };
}

const resizeInput = {
  type: "object",
  additionalProperties: false,
  required: ["url"],
  properties: {
    url: { type: "string", format: "uri" },
    width: { type: "integer", minimum: 1, maximum: 10_000 },
    mode: { enum: ["fit", "fill"] },
    tags: { type: "array", items: { type: "string" } },
  },
};

/** What the tests' worker publishes: one that takes anything, and one with a strict schema in two versions. */
export const testEngines: EngineDescriptor[] = [
  descriptor("echo", 1, {}),
  descriptor("resize", 1, resizeInput),
  descriptor("resize", 2, resizeInput, {
    timeout_max_ms: 2 * minute,
    ttl_max_ms: day,
    max_attempts_max: 5,
  }),
];
