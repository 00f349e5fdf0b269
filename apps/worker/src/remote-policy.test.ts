import { remotePolicySchema } from "@tl-engine/contract";
import { defineEngine, describeEngine, z } from "@tl-engine/engine-kit";
import { settlePolicy } from "@tl-engine/shared/remote-engines/settle-policy.ts";
import fc from "fast-check";
import { expect, test } from "vitest";

// A remote engine's policy means what the same words mean for an engine in code: one is settled by the API, the other by
// the engine-kit, which do not lean on each other.

const durations = fc.oneof(
  fc.constantFrom("0ms", "1ms", "30s", "1h", "24h", "7d", "8d", "30d", "31d", "", "1w"),
  fc
    .tuple(fc.nat({ max: 100 }), fc.constantFrom("ms", "s", "m", "h", "d"))
    .map((two) => two.join("")),
);
const counts = fc.oneof(fc.integer({ min: -1, max: 120 }), fc.constant(1.5));
const limited = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof(value, fc.record({ default: value, max: value }, { requiredKeys: [] }));
const policies = fc.record(
  {
    timeout: limited(durations),
    ttl: limited(durations),
    max_attempts: limited(counts),
    backoff: fc.record(
      {
        initial: durations,
        factor: fc.oneof(fc.double({ min: 0, max: 120, noNaN: true }), fc.constant(2)),
        max: durations,
      },
      { requiredKeys: [] },
    ),
    concurrency: counts,
  },
  { requiredKeys: [] },
);

function asRemote(policy: unknown) {
  const parsed = remotePolicySchema.safeParse(policy);
  if (!parsed.success) return null;
  const errors: unknown[] = [];
  const settled = settlePolicy(parsed.data, "crm", errors as never[]);
  return errors.length === 0 ? settled : null;
}

function asCode({ max_attempts, ...rest }: Record<string, unknown>) {
  try {
    const engine = defineEngine({
      id: "x",
      version: 1,
      input: z.object({}),
      output: z.object({}),
      uses: ["http:crm"],
      ...(rest as object),
      ...(max_attempts === undefined ? {} : { maxAttempts: max_attempts as number }),
      run: () => ({}),
    });
    return describeEngine(engine).policy;
  } catch {
    return null;
  }
}

test("what it is silent about, what it allows and what it refuses are the same", () => {
  expect(asRemote({})).toEqual(asCode({}));
  fc.assert(
    fc.property(policies, (policy) => {
      expect(asRemote(policy)).toEqual(asCode(policy));
    }),
    { numRuns: 2_000 },
  );
});
