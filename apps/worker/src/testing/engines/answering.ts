import { defineEngine, RetryAfterError, TerminalError, z } from "@tl-engine/engine-kit";

const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

/** Results that cannot be kept as JSON text in Postgres. */
export const badOutputs: Record<string, () => unknown> = {
  nul: () => "a\u0000b",
  surrogate: () => "\ud800",
  cycle: () => cycle,
  bigint: () => 1n,
  function: () => () => 1,
  nan: () => Number.NaN,
  huge: () => "x".repeat(20 * 1024 * 1024),
  deep: () => nested(10_000),
  getter: () => ({
    get value(): never {
      throw new Error("no");
    },
  }),
  undefined: () => undefined,
  symbol: () => Symbol("s"),
  map: () => new Map([[1, 2]]),
};

/** Things thrown that are no proper Error. */
export const thrown: Record<string, () => unknown> = {
  null: () => null,
  undefined: () => undefined,
  string: () => "just words",
  empty: () => new Error(""),
  long: () => new Error("x".repeat(1024 * 1024)),
  proxy: () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error("no");
        },
      },
    ),
  toString: () => ({
    toString() {
      throw new Error("no");
    },
  }),
  terminal: () =>
    new TerminalError("never again", { code: "upstream_error", details: { status: 404 } }),
  later: () => new RetryAfterError("busy", 1_500),
};

/** By the end of an id, where such an engine runs. */
const isolations = { "": "inline", ".thread": "thread", ".process": "process" } as const;

const bad = Object.entries(isolations).map(([suffix, isolation]) =>
  defineEngine({
    id: `test.bad-output${suffix}`,
    version: 1,
    isolation,
    input: z.strictObject({ which: z.string() }),
    output: z.unknown(),
    run: ({ which }) => badOutputs[which]?.(),
  }),
);

const throwing = Object.entries(isolations).map(([suffix, isolation]) =>
  defineEngine({
    id: `test.throw${suffix}`,
    version: 1,
    isolation,
    maxAttempts: 2,
    backoff: { initial: "1ms", max: "10ms" },
    input: z.strictObject({ what: z.string() }),
    output: z.unknown(),
    run({ what }) {
      throw thrown[what]?.();
    },
  }),
);

/** Fails until the given attempt. */
const flaky = defineEngine({
  id: "test.flaky",
  version: 1,
  maxAttempts: 5,
  backoff: { initial: "1ms", max: "10ms" },
  input: z.strictObject({ until: z.number() }),
  output: z.strictObject({ attempt: z.number() }),
  run({ until }, ctx) {
    if (ctx.attempt < until) throw new Error(`not before attempt ${until}`);
    return { attempt: ctx.attempt };
  },
});

const twice = defineEngine({
  id: "test.twice",
  version: 1,
  short: "1ms",
  input: z.strictObject({ n: z.number().default(1) }),
  output: z.strictObject({ n: z.number() }),
  run: ({ n }) => ({ n: n * 2 }),
});

export default [...bad, ...throwing, flaky, twice];
