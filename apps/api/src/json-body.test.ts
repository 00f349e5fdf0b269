import { describe, expect, test } from "vitest";
import { maxDepth, parseJson } from "./json-body.ts";
import { scanJson } from "./json-scan.ts";
import { Refusal } from "./problem.ts";

const parse = (text: string) => parseJson(Buffer.from(text));
function refusal(bytes: string | Buffer): [string, ...string[]] {
  try {
    parseJson(Buffer.from(bytes as string));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [error.code, ...(error.facts.errors ?? []).map((one) => one.pointer)];
  }
  return ["taken"];
}
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("malformed", () => {
  test.each<[string, string | Buffer]>([
    ["no JSON", "{"],
    ["a bare word", "undefined"],
    ["NaN", "NaN"],
    ["a trailing comma", "[1,]"],
    ["single quotes", "{'a':1}"],
    ["a comment", "/* */1"],
    ["two values", "{}{}"],
    ["leading zero", "01"],
    ["a raw control character", '"\u0000"'],
    ["a raw line end in a text", '"\n"'],
    ["half an escape", '"\\ud83'],
    ["a lone 0xff", Buffer.from([0x22, 0xff, 0x22])],
    ["an overlong form", Buffer.from([0x22, 0xc0, 0x80, 0x22])],
    ["a surrogate in UTF-8", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["UTF-16", Buffer.from("{}", "utf16le")],
    ["65 levels", nested(65)],
    ["65 levels of objects", '{"a":'.repeat(65) + "1" + "}".repeat(65)],
    ["100,000 levels", nested(100_000)],
    ["500,000 levels left open", "[".repeat(500_000)],
  ])("%s", (_name, bytes) => {
    expect(refusal(bytes)).toEqual(["malformed_request"]);
  });
});

describe("values that cannot be kept, by pointer", () => {
  test.each<[string, string[]]>([
    ['{"a":"\\u0000"}', ["/a"]],
    ['{"a\\u0000b":1}', ["/a\ufffdb"]],
    ['["\\ud800","ok","\\udc00x"]', ["/0", "/2"]],
    ['{"\\udfff":1}', ["/\ufffd"]],
    ['{"a":{"b/c":["\\ud83d\\u0041"]}}', ["/a/b~1c/0"]],
    ["1e400", [""]],
    ['{"a":-1e400,"b":[1E+999]}', ["/a", "/b/0"]],
    ['{"n":9007199254740992}', ["/n"]],
    ['{"n":-9007199254740992}', ["/n"]],
    ["[9007199254740993,123456789012345678901234567890]", ["/0", "/1"]],
    [`{"a":${"9".repeat(400)}}`, ["/a"]],
    ['{"__proto__":{"a":1e999}}', ["/__proto__/a"]],
    ['{"a":"\\u0000","b":1e400}', ["/a", "/b"]],
  ])("%s", (text, pointers) => {
    expect(refusal(text)).toEqual(["invalid_input", ...pointers]);
  });
});

describe("taken", () => {
  test.each<[string, unknown]>([
    ["9007199254740991", 9007199254740991],
    ["-9007199254740991", -9007199254740991],
    ["9007199254740992.0", 9007199254740992],
    ["1e308", 1e308],
    ["1e-400", 0],
    ["123456789012345678e2", Number("123456789012345678e2")],
    ["0.12345678901234567890", 0.12345678901234568],
    ['"9007199254740992 1e400"', "9007199254740992 1e400"],
    ['"\\ud83d\\ude00\\u0041"', "😀A"],
    ['"\\\\u0000"', "\\u0000"],
    ['{"a":1,"a":2}', { a: 2 }],
    ['{"a":1e400,"a":2}', { a: 2 }],
    ["\ufeff{}", {}],
    [nested(maxDepth), JSON.parse(nested(64))],
    ['"[[[["', "[[[["],
  ])("%s", (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  test("__proto__ and its like are members, and change no prototype", () => {
    const value = parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    ) as object;
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("100,000 members", () => {
    const many = `{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join()}}`;
    expect(Object.keys(parse(many) as object)).toHaveLength(60_000);
  });
});

test("a MiB of the worst is scanned and judged in a moment", () => {
  const mib = 1024 * 1024;
  for (const text of [
    `"${"\\u0041".repeat(mib / 6)}"`,
    `[${"1e1,".repeat(mib / 4)}1]`,
    `"${'\\"'.repeat(mib / 2)}"`,
    "9".repeat(mib),
    "[".repeat(mib),
  ]) {
    const since = performance.now();
    refusal(text);
    expect(performance.now() - since).toBeLessThan(1_000);
  }
});

test("the scan sees what is outside texts alone", () => {
  expect(scanJson(Buffer.from('{"a":["\\"]}[[","x"]}'))).toEqual({
    depth: 2,
    unicodeEscape: false,
    suspectNumber: false,
  });
  expect(scanJson(Buffer.from("[true,false,1.5]")).suspectNumber).toBe(false);
  expect(scanJson(Buffer.from("[1e5]")).suspectNumber).toBe(true);
});
