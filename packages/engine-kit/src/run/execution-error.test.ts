import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RetryAfterError, TerminalError } from "../errors.ts";
import { toExecutionError } from "./execution-error.ts";

const bytes = (text: string) => Buffer.byteLength(text);

test("what an engine says with types", () => {
  expect(toExecutionError(new TerminalError("no", { details: { a: 1 } }))).toMatchObject({
    code: "engine_error",
    message: "no",
    retryable: false,
    details: { a: 1 },
  });
  expect(toExecutionError(new RetryAfterError("later", "30s"))).toMatchObject({
    code: "engine_error",
    message: "later",
    retryable: true,
    retryAfterMs: 30_000,
  });
  expect(toExecutionError(new RetryAfterError("x", new Date(0))).retryAfterMs).toBe(0);
  expect(() => new RetryAfterError("x", "soon")).toThrow(TypeError);
  expect(() => new RetryAfterError("x", new Date(Number.NaN))).toThrow(TypeError);
});

test("errors of the outbound door are read by their properties", () => {
  const error = Object.assign(new Error("api.example.com answered 503"), {
    code: "upstream_error",
    retryable: true,
    retryAfterMs: 1500.4,
    details: { status: 503 },
  });
  expect(toExecutionError(error)).toMatchObject({
    code: "upstream_error",
    message: "api.example.com answered 503",
    retryable: true,
    retryAfterMs: 1500,
    details: { status: 503 },
  });
});

test("any other error is retried, says its class and its cause", () => {
  expect(toExecutionError(new TypeError("x is not a function"))).toMatchObject({
    code: "engine_error",
    message: "TypeError: x is not a function",
    retryable: true,
  });
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  expect(toExecutionError(new Error("fetch failed", { cause: refused })).message).toBe(
    "fetch failed: connect ECONNREFUSED",
  );
  expect(toExecutionError(new AggregateError([new Error("first")])).message).toBe("first");
  expect(toExecutionError(Object.assign(new Error("x"), { code: "timeout" })).code).toBe(
    "engine_error",
  );
});

const circular: Record<string, unknown> = {};
circular["self"] = circular;
const causedByItself = new Error("round");
causedByItself.cause = causedByItself;
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const hostile = new Proxy(new Error("x"), {
  get() {
    throw new Error("trap");
  },
  getPrototypeOf() {
    throw new Error("trap");
  },
});

const strange: [string, unknown][] = [
  ["null", null],
  ["undefined", undefined],
  ["a string", "it broke"],
  ["an empty string", ""],
  ["blanks", " \n"],
  ["a number", 42],
  ["a symbol", Symbol("s")],
  ["a BigInt", 1n],
  ["a function", () => {}],
  ["an empty object", {}],
  ["a circular object", circular],
  ["an error caused by itself", causedByItself],
  ["an error without a message", new RangeError("")],
  ["a message of 1 MiB", new Error("m".repeat(1 << 20))],
  ["a string of 1 MiB of emoji", "😀".repeat(1 << 18)],
  ["an object of 1 MiB", { text: "m".repeat(1 << 20) }],
  ["NUL and lone surrogates", new Error("a\0b\ud800c\udc00")],
  ["NULs only", new Error("\0")],
  ["a null-prototype object", Object.create(null)],
  ["a revoked proxy", revoked],
  ["a proxy that throws", hostile],
  ["a proxy", new Proxy({}, {})],
  [
    "a throwing toString",
    {
      toString() {
        throw new Error("no");
      },
      toJSON() {
        throw new Error("no");
      },
    },
  ],
  [
    "a throwing message",
    Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("no");
      },
    }),
  ],
  ["a message that is no string", Object.assign(new Error("x"), { message: { a: 1 } })],
  ["a code that lies", { code: "engine_error", retryable: "yes", details: () => {} }],
  ["details that cannot be kept", new TerminalError("x", { details: { f: () => {} } })],
  ["details of 1 MiB", new TerminalError("x", { details: "d".repeat(1 << 20) })],
  ["a delay without end", Object.assign(new RetryAfterError("x", 1), { retryAfterMs: Infinity })],
];

test.each(strange)("%s thrown: a reason of 1 to 4096 bytes that can be kept", (_, thrown) => {
  const facts = toExecutionError(thrown);
  expect(facts.message.trim()).not.toBe("");
  expect(bytes(facts.message)).toBeLessThanOrEqual(4096);
  expect(facts.message.isWellFormed()).toBe(true);
  expect(JSON.stringify(facts)).not.toContain("\\u0000");
  expect(bytes(JSON.stringify(facts))).toBeLessThan(40_000);
  expect(structuredClone(facts)).toEqual(facts);
  if ("details" in facts) expect(JSON.parse(JSON.stringify(facts.details))).toEqual(facts.details);
});

test("NUL and lone surrogates become U+FFFD", () => {
  expect(toExecutionError(new Error("a\0b\ud800c")).message).toBe("a\ufffdb\ufffdc");
});

test("anything thrown makes a reason", () => {
  const messages = fc.string({ unit: "binary", maxLength: 6000 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything({
          withBigInt: true,
          withNullPrototype: true,
          withTypedArray: true,
          withMap: true,
        }),
        messages,
        messages.map((message) => new Error(message)),
        fc.tuple(messages, fc.anything()).map(([message, cause]) => new Error(message, { cause })),
        fc.tuple(messages, fc.anything()).map(([m, details]) => new TerminalError(m, { details })),
      ),
      (thrown) => {
        const facts = toExecutionError(thrown);
        expect(facts.message.trim()).not.toBe("");
        expect(bytes(facts.message)).toBeLessThanOrEqual(4096);
        expect(facts.message.isWellFormed()).toBe(true);
        expect(facts.message).not.toContain("\0");
        expect(structuredClone(facts)).toEqual(facts);
      },
    ),
    { numRuns: 300 },
  );
});

describe("what the door says of parking", () => {
  const park = { reason: "circuit_open", delayMs: null, blockedBy: "connection:crm" };
  const parked = Object.assign(new Error("crm is away"), {
    code: "upstream_error",
    retryable: true,
    park,
  });
  const wrapped = (thrown: unknown, times: number): unknown => {
    let at = thrown;
    for (let i = 0; i < times; i += 1) at = new Error("while it worked", { cause: at });
    return at;
  };

  test("is heard through an engine's own errors, so many of them", () => {
    for (const times of [0, 1, 5]) {
      expect(toExecutionError(wrapped(parked, times)).park).toEqual(park);
    }
    expect(toExecutionError(wrapped(parked, 6))).not.toHaveProperty("park");
  });

  test("is not heard where the engine says that it is not to be tried again", () => {
    expect(toExecutionError(new TerminalError("no", { cause: parked }))).not.toHaveProperty("park");
  });

  test("has a form", () => {
    const later = { reason: "retry_after", delayMs: 1.4, blockedBy: null };
    expect(toExecutionError({ park: later }).park).toEqual({ ...later, delayMs: 1 });
    for (const wrong of [
      null,
      "circuit_open",
      { ...park, reason: "tired" },
      { ...park, blockedBy: null },
      { ...park, blockedBy: "connection:A b" },
      { ...park, delayMs: "1" },
      { ...park, delayMs: -1 },
      { ...later, delayMs: null },
      { ...later, delayMs: Number.POSITIVE_INFINITY },
      { ...later, blockedBy: "x" },
    ]) {
      expect(toExecutionError({ park: wrong })).not.toHaveProperty("park");
    }
    const circle: Record<string, unknown> = {};
    circle["cause"] = circle;
    expect(toExecutionError(circle)).not.toHaveProperty("park");
  });
});
