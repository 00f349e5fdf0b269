import { defineEngine, z } from "@tl-engine/engine-kit";

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < depth; n++) value = [value];
  return value;
}

function cycle(): unknown {
  const own: Record<string, unknown> = {};
  own["self"] = own;
  return own;
}

const throwsWhenRead: ProxyHandler<object> = {
  get() {
    throw new Error("it cannot be read");
  },
};

const results: Record<string, () => unknown> = {
  nul: () => "a\u0000b",
  surrogate: () => ["\ud800"],
  cycle,
  bigint: () => 1n,
  function: () => () => 1,
  nan: () => ({ value: Number.NaN }),
  huge: () => "x".repeat(20 * 1024 * 1024),
  deep: () => nested(10_000),
  getter: () => ({
    get value(): never {
      throw new Error("it cannot be read");
    },
  }),
  proxy: () => [new Proxy({ a: 1 }, throwsWhenRead)],
  undefined: () => undefined,
  symbol: () => Symbol("s"),
  map: () => new Map([[1, 2]]),
};
const thrown: Record<string, () => unknown> = {
  null: () => null,
  undefined: () => undefined,
  string: () => "just words",
  number: () => 7,
  empty: () => new Error(""),
  long: () => new Error("x".repeat(1024 * 1024)),
  proxy: () => new Proxy({}, throwsWhenRead),
  toString: () => ({
    toString() {
      throw new Error("it cannot be written");
    },
  }),
  nul: () => new Error("a\u0000b\ud800"),
  cycle,
};

/** Names of what it can return and throw. */
export const strangeResults = Object.keys(results);
export const strangeErrors = Object.keys(thrown);

/** Returns or throws what nobody can keep. */
export default (["inline", "thread", "process"] as const).map((isolation) =>
  defineEngine({
    id: `strange.${isolation}`,
    version: 1,
    isolation,
    maxAttempts: 1,
    input: z.object({ returns: z.string().optional(), throws: z.string().optional() }),
    output: z.unknown(),
    run({ returns, throws }) {
      if (throws !== undefined) throw thrown[throws]?.();
      return results[returns ?? ""]?.();
    },
  }),
);
