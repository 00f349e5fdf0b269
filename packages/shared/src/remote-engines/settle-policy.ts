import { parseDuration, type ProblemError, type RemotePolicy } from "@tl-engine/contract";
import type { EnginePolicy } from "../catalogue/policy.ts";

const day = 86_400_000;

/** What holds where a definition is silent: the same as for engines in code. */
const usual = {
  timeout: { value: 60_000, max: 3_600_000 },
  ttl: { value: day, max: 30 * day },
  max_attempts: { value: 3, max: 25 },
  backoff: { initial: 1_000, factor: 2, max: 300_000 },
} as const;

type Asked = string | number | { default?: string | number; max?: string | number } | undefined;

/**
 * The policy of a remote engine, in milliseconds and with defaults.
 * @param wanted in the contract's form; its single values are checked already
 * @param errors what does not fit together is added here, by pointer
 */
export function settlePolicy(
  wanted: RemotePolicy | undefined,
  connection: string,
  errors: ProblemError[],
): EnginePolicy {
  const policy = wanted ?? {};
  const timeout = limited("timeout", policy.timeout as Asked, usual.timeout, errors);
  const ttl = limited("ttl", policy.ttl as Asked, usual.ttl, errors);
  const attempts = limited(
    "max_attempts",
    policy.max_attempts as Asked,
    usual.max_attempts,
    errors,
  );
  const initial = valueOf(policy.backoff?.initial) ?? usual.backoff.initial;
  const max = valueOf(policy.backoff?.max) ?? Math.max(usual.backoff.max, initial);
  if (max < initial) {
    errors.push({ pointer: "/policy/backoff/max", detail: "is shorter than initial" });
  }
  return {
    timeout_ms: timeout.chosen,
    timeout_max_ms: timeout.max,
    ttl_ms: ttl.chosen,
    ttl_max_ms: ttl.max,
    max_attempts: attempts.chosen,
    max_attempts_max: attempts.max,
    backoff_initial_ms: initial,
    backoff_factor: policy.backoff?.factor ?? usual.backoff.factor,
    backoff_max_ms: max,
    concurrency: policy.concurrency ?? null,
    isolation: "inline",
    short_ms: null,
    memory_mib: 256,
    uses: usesOf(connection),
  };
}

/** The clients that a remote engine has: its one connection. */
export function usesOf(connection: string): string[] {
  return [`http:${connection}`];
}

/** A default beyond the usual ceiling lifts it; a ceiling below the usual default lowers that. */
function limited(
  name: string,
  asked: Asked,
  { value, max: usualMax }: { value: number; max: number },
  errors: ProblemError[],
): { chosen: number; max: number } {
  const given: Exclude<Asked, string | number | undefined> =
    typeof asked === "object" ? asked : asked === undefined ? {} : { default: asked };
  const max = valueOf(given.max);
  const chosen = valueOf(given.default) ?? Math.min(value, max ?? value);
  if (max !== null && chosen > max) {
    errors.push({ pointer: `/policy/${name}`, detail: "its default is above its max" });
  }
  return { chosen, max: max ?? Math.max(usualMax, chosen) };
}

function valueOf(given: string | number | undefined): number | null {
  if (given === undefined) return null;
  return typeof given === "number" ? given : parseDuration(given);
}
