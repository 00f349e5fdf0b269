import { TerminalError } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import engine from "./engine.ts";

const evaluate = async (expression: string, data?: unknown, bindings?: Record<string, unknown>) =>
  (await runEngine(engine, { expression, data, bindings })).result;

async function failureOf(expression: string, data?: unknown): Promise<TerminalError> {
  try {
    throw new Error(`no failure, but ${JSON.stringify(await evaluate(expression, data))}`);
  } catch (error) {
    if (error instanceof TerminalError) return error;
    throw error;
  }
}

test("queries, reshapes and aggregates", async () => {
  const items = [
    { name: "a", price: 3, quantity: 2 },
    { name: "b", price: 5, quantity: 1 },
  ];
  expect(await evaluate("$sum(items.(price * quantity))", { items })).toBe(11);
  expect(await evaluate("items[price > 4].name", { items })).toBe("b");
  expect(await evaluate("items{name: price}", { items })).toEqual({ a: 3, b: 5 });
  expect(await evaluate("$ ~> |items|{'price': price * $rate}|", { items }, { rate: 2 })).toEqual({
    items: [
      { name: "a", price: 6, quantity: 2 },
      { name: "b", price: 10, quantity: 1 },
    ],
  });
  expect(await evaluate("$pad('é', -3, '#') & $join(['a', 'b'], '-') & $string([1])")).toBe(
    "##éa-b[1]",
  );
  expect(await evaluate("$split('a b', ' ')")).toEqual(["a", "b"]);
  expect(await evaluate("'x' ~> $pad(2, '.') ~> $replace('x', 'y')")).toBe("y.");
  expect(await evaluate("$base64decode($base64encode('hé'))")).toBe("hé");
  expect(await evaluate("$map([1..3], function($v) { $v * $v })")).toEqual([1, 4, 9]);
  expect(await evaluate("$fromMillis(0)")).toBe("1970-01-01T00:00:00.000Z");
});

test("what is no JSON becomes JSON: nothing is null, functions inside are left out", async () => {
  expect(await evaluate("nowhere.to.be.found", { a: 1 })).toBeNull();
  expect(await evaluate("{'f': $sum, 'g': function($x) { $x }, 'n': 1}")).toEqual({ n: 1 });
  expect((await failureOf("$sum")).message).toMatch(/function/);
  expect((await failureOf("function($x) { $x }")).code).toBe("input_invalid");
});

test("an expression that cannot be read says where", async () => {
  const error = await failureOf("items[price > ");
  expect(error).toMatchObject({ code: "input_invalid", retryable: false });
  expect(error.message).toMatch(/^JSONata S0203 at position 14: /);
  expect(error.details).toMatchObject({ pointer: "/expression", position: 14 });
  expect((await failureOf("(".repeat(60_000))).code).toBe("input_invalid");
});

test("an expression that fails on the data says why", async () => {
  const error = await failureOf("a + 1", { a: "x" });
  expect(error).toMatchObject({ code: "engine_error", retryable: false });
  expect(error.message).toMatch(/^JSONata T2001 at position 3: /);
  expect((await failureOf("$error('out of stock')")).message).toMatch(/out of stock/);
  expect((await failureOf("1 / 0")).message).toMatch(/Infinity/);
});

test.each([
  ["$number(a)", "D3030"],
  ["$toMillis(a)", "D3110"],
  ["-a", "D1002"],
  ["{b: 1}", "T1003"],
  ["$sqrt(n)", "D3060"],
  ["a < n", "T2009"],
  ["list^(x)", "T2007"],
  ["$ ~> |$|$.a|", "T2011"],
  ["$formatBase(1, m)", "D3100"],
  ["$eval('$number(a)')", "D3121"],
  ["$eval(e)", "D3120"],
  ["$decodeUrl(u)", "D3140"],
  ["$power(m, m)", "D3061"],
])("the error of %s quotes no data", async (expression, code) => {
  const secret = "hunter2 & co";
  const error = await failureOf(expression, {
    a: secret,
    b: { secret },
    n: -736251.5,
    m: 736251.5,
    u: `%${secret}`,
    e: `1 '${secret}'`,
    list: [{ x: secret }, { x: 736251.5 }],
  });
  expect(error.message).toContain(code);
  expect(error.message.length).toBeGreaterThan(40);
  expect(JSON.stringify([error.message, error.details, error.stack])).not.toMatch(/hunter2|736251/);
});

test("runaway recursion and ranges end with a reason", async () => {
  expect((await failureOf("($f := function($x) { 1 + $f($x) }; $f(1))")).message).toMatch(
    /D1011.*recursi/s,
  );
  expect((await failureOf("[1..9999999].($)")).message).toMatch(/D2015|D2014/);
});

test.each([
  ["$pad('x', 500000000)", "engine_error"],
  ["$pad('x', -5000000, 'long filler')", "engine_error"],
  ["($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f('x', 40))", "engine_error"],
  ["($s := $pad('x', 4000000); $join([1..1000].($s)))", "engine_error"],
  ["($s := $pad('x', 3000000); $string([1..1000].($s)))", "engine_error"],
  ["$split($pad('x', 4000000), '')", "engine_error"],
  ["$replace($pad('x', 4000000), 'x', $pad('y', 4000000))", "engine_error"],
  ["($s := $pad('x', 3000000); [1..1000].($s))", "output_too_large"],
  ["[1..150000].{$pad('k', 90): $}", "output_too_large"],
])("%s does not fill the memory", async (expression, code) => {
  expect((await failureOf(expression)).code).toBe(code);
});

test("an endless loop hears the signal", async () => {
  const controller = new AbortController();
  const loop = "($f := function($x) { $f($x + 1) }; $f(1))";
  const running = runEngine(engine, { expression: loop }, { signal: controller.signal });
  controller.abort(new Error("time is up"));
  await expect(running).rejects.toThrow("time is up");
});

test.each([
  `$merge([{"__proto__": {"polluted": 1}}])`,
  `$ ~> |$|{"__proto__": {"polluted": 1}}|`,
  `{"constructor": {"prototype": {"polluted": 1}}} ~> $spread ~> $merge`,
  `{"a": 1}.constructor("return process")()`,
  `$lookup({}, "__proto__")`,
  `$sum.constructor`,
  `$."__proto__"."polluted"`,
  `$eval("$merge([{'__proto__': {'polluted': 1}}])")`,
  `($x := {"__proto__": {"polluted": 1}}; $sift($x, function($v, $k) { true }))`,
  `$each({"__proto__": {"polluted": 1}}, function($v, $k) { {$k: $v} })`,
  `$replace("a", /a/, function($m) { $m.constructor.constructor("return process")() })`,
])("%s reaches nothing outside", async (expression) => {
  const before = Reflect.ownKeys(Object.prototype);
  const data = JSON.parse('{"__proto__": {"polluted": 1}, "a": [{}]}') as unknown;
  await evaluate(expression, data).catch((error: unknown) => {
    expect(error).toBeInstanceOf(TerminalError);
  });
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});
