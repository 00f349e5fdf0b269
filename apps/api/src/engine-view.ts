import { formatDuration, type EngineDetail, type EngineSummary } from "@tl-engine/contract";
import type { Catalogue, EngineVersion } from "@tl-engine/shared/catalogue/catalogue.ts";
import { stateOf } from "./engine-figures.ts";

/** An engine as lists show it; null where the catalogue has lost it in between. */
export function describeEngine(id: string, catalogue: Catalogue): EngineSummary | null {
  const versions = catalogue.versions(id);
  const newest = versions[0];
  if (newest === undefined) return null;
  return {
    id,
    title: newest.title,
    description: newest.description,
    versions: versions.map((one) => one.version).sort((a, b) => a - b),
    state: stateOf(versions.some((one) => one.live)),
  };
}

/** One version of an engine, with all that a caller has to know to use it. */
export function describeEngineVersion(
  summary: EngineSummary,
  {
    version,
    title,
    description,
    inputSchema,
    outputSchema,
    example,
    policy,
    remote,
  }: EngineVersion,
  { forPlane }: { forPlane: boolean },
): EngineDetail {
  return {
    ...summary,
    title,
    description,
    version,
    input_schema: inputSchema,
    output_schema: outputSchema,
    defaults: {
      timeout: {
        default: formatDuration(policy.timeout_ms),
        max: formatDuration(policy.timeout_max_ms),
      },
      ttl: { default: formatDuration(policy.ttl_ms), max: formatDuration(policy.ttl_max_ms) },
      max_attempts: { default: policy.max_attempts, max: policy.max_attempts_max },
      backoff: {
        initial: formatDuration(policy.backoff_initial_ms),
        factor: policy.backoff_factor,
        max: formatDuration(policy.backoff_max_ms),
      },
      concurrency: policy.concurrency,
      isolation: policy.isolation,
    },
    example: example ?? null,
    ...(forPlane && remote !== null && { remote }),
  };
}
