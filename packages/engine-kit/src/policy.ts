import { type Use, clientKinds, useOf } from "./clients.ts";
import { type EnginePolicyDescriptor } from "./descriptor.ts";
import { durationMs } from "./duration.ts";
import { type EnginePolicy, type Limited } from "./engine.ts";

const day = 86_400_000;

/** What holds where an engine is silent. */
export const policyDefaults = {
  timeout_ms: 60_000,
  timeout_max_ms: 3_600_000,
  ttl_ms: day,
  ttl_max_ms: 30 * day,
  max_attempts: 3,
  max_attempts_max: 25,
  backoff_initial_ms: 1_000,
  backoff_factor: 2,
  backoff_max_ms: 300_000,
  memory_mib: 256,
} as const;

/** Less would leave an engine nothing: Node and the engine-kit are there first. */
const leastProcessMib = 128;

type Report = (problem: string) => void;

/** An engine's policy in milliseconds, with defaults; each wrong member is reported with its remedy. */
export function policyOf(
  policy: EnginePolicy<readonly Use[]>,
  report: Report,
): EnginePolicyDescriptor {
  const timeout = limited(
    "timeout",
    policy.timeout,
    policyDefaults.timeout_ms,
    policyDefaults.timeout_max_ms,
    7 * day,
    duration,
    report,
  );
  const ttl = limited(
    "ttl",
    policy.ttl,
    policyDefaults.ttl_ms,
    policyDefaults.ttl_max_ms,
    30 * day,
    duration,
    report,
  );
  const attempts = limited(
    "maxAttempts",
    policy.maxAttempts,
    policyDefaults.max_attempts,
    policyDefaults.max_attempts_max,
    100,
    count,
    report,
  );

  const backoff = policy.backoff ?? {};
  known("backoff", backoff, ["initial", "factor", "max"], report);
  const initial = optional(
    "backoff.initial",
    backoff.initial,
    policyDefaults.backoff_initial_ms,
    duration,
    report,
  );
  const most = optional(
    "backoff.max",
    backoff.max,
    Math.max(policyDefaults.backoff_max_ms, initial),
    duration,
    report,
  );
  if (most < initial) report("backoff.max is shorter than backoff.initial");
  const factor = optional(
    "backoff.factor",
    backoff.factor,
    policyDefaults.backoff_factor,
    ratio,
    report,
  );

  const short =
    policy.short === undefined ? null : optional("short", policy.short, 1, duration, report);
  if (short !== null && short > timeout.chosen) report("short is longer than timeout");

  const isolation = policy.isolation ?? "inline";
  if (!["inline", "thread", "process"].includes(isolation)) {
    report(`isolation: ${shown(isolation)} is unknown; give "inline", "thread" or "process"`);
  }
  const memory = optional("memory", policy.memory, policyDefaults.memory_mib, mebibytes, report);
  if (isolation === "process" && memory < leastProcessMib) {
    report(
      `memory: a process needs ${leastProcessMib} MiB at least, of which Node itself takes some 80`,
    );
  }
  const uses = policy.uses ?? [];
  for (const kind of uses) {
    if (useOf(kind) === null) {
      report(
        `uses: ${shown(kind)} is no client; there is ${clientKinds.join(", ")}, each also with a connection's id, as in "http:crm"`,
      );
    }
  }
  return {
    timeout_ms: timeout.chosen,
    timeout_max_ms: timeout.max,
    ttl_ms: ttl.chosen,
    ttl_max_ms: ttl.max,
    max_attempts: attempts.chosen,
    max_attempts_max: attempts.max,
    backoff_initial_ms: initial,
    backoff_factor: factor,
    backoff_max_ms: most,
    concurrency:
      policy.concurrency === undefined
        ? null
        : optional("concurrency", policy.concurrency, 1, count, report),
    isolation,
    short_ms: short,
    memory_mib: memory,
    uses: [...new Set(uses)],
  };
}

interface Reader {
  readonly wanted: string;
  read(value: unknown): number | null;
}
const duration: Reader = {
  wanted: 'a duration from 1ms, such as "500ms", "30s", "15m" or "24h"',
  read: (value) => (typeof value === "string" ? durationMs(value) || null : null),
};
const count: Reader = {
  wanted: "an integer from 1",
  read: (value) => (Number.isSafeInteger(value) && Number(value) >= 1 ? Number(value) : null),
};
const ratio: Reader = {
  wanted: "a number from 1 to 100",
  read: (value) => (typeof value === "number" && value >= 1 && value <= 100 ? value : null),
};
const mebibytes: Reader = {
  wanted: "MiB, an integer from 32 to 65536",
  read: (value) =>
    Number.isSafeInteger(value) && Number(value) >= 32 && Number(value) <= 65_536
      ? Number(value)
      : null,
};

function optional(
  name: string,
  value: unknown,
  fallback: number,
  { read, wanted }: Reader,
  report: Report,
): number {
  if (value === undefined) return fallback;
  const result = read(value);
  if (result !== null) return result;
  report(`${name}: ${shown(value)} is not ${wanted}`);
  return fallback;
}

/** A default beyond the usual ceiling lifts it; a ceiling below the usual default lowers that. */
function limited<T>(
  name: string,
  value: Limited<T> | undefined,
  usual: number,
  usualMax: number,
  highest: number,
  reader: Reader,
  report: Report,
): { chosen: number; max: number } {
  const asked: { default?: unknown; max?: unknown } =
    typeof value === "object" && value !== null ? value : { default: value };
  known(name, asked, ["default", "max"], report);
  const max =
    asked.max === undefined ? null : optional(`${name}.max`, asked.max, usualMax, reader, report);
  const chosen = optional(name, asked.default, Math.min(usual, max ?? usual), reader, report);
  if (max !== null && chosen > max) report(`${name}: the default is above its max`);
  const ceiling = max ?? Math.max(usualMax, chosen);
  if (ceiling > highest) {
    report(
      `${name}: above ${reader === duration ? `${highest / day}d` : highest}, the highest possible`,
    );
  }
  return { chosen, max: ceiling };
}

function known(name: string, value: object, members: readonly string[], report: Report): void {
  for (const key of Object.keys(value)) {
    if (!members.includes(key)) report(`${name}.${key} is unknown; there is ${members.join(", ")}`);
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
