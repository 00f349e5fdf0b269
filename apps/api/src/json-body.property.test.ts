import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { maxDepth, parseJson } from "./json-body.ts";
import { Refusal } from "./problem.ts";

type Outcome = { value: unknown } | { refused: string };

function outcome(bytes: Uint8Array): Outcome {
  try {
    return { value: parseJson(bytes) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refused: error.code };
  }
}

/** The rules once more, without the one pass over the bytes that saves the second look. */
function expected(text: string): Outcome {
  let bad = false;
  let value: unknown;
  try {
    value = JSON.parse(text, (key, member: unknown, context?: { source?: string }) => {
      const texts = [key, ...(typeof member === "string" ? [member] : [])];
      bad ||= texts.some((one) => one.includes("\u0000") || !one.isWellFormed());
      if (typeof member === "number") {
        const isInteger = /^-?\d+$/.test(context?.source ?? "");
        bad ||= !Number.isFinite(member) || (isInteger && !Number.isSafeInteger(member));
      }
      return member;
    });
  } catch {
    return { refused: "malformed_request" };
  }
  if (depthOf(text) > maxDepth) return { refused: "malformed_request" };
  return bad ? { refused: "invalid_input" } : { value };
}

/** As written: a member that another one of its name replaces counts too. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const bracket of text.replaceAll(/"(?:\\.|[^"\\])*"/g, "").match(/[[\]{}]/g) ?? []) {
    depth += "[{".includes(bracket) ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

const escapes = fc.constantFrom(
  "\\u0000",
  "\\ud800",
  "\\ud83d\\ude00",
  "\\udc00",
  "\\\\u0000",
  "\\n",
);
const textToken = fc
  .array(fc.oneof(fc.string({ unit: "grapheme", maxLength: 4 }), escapes), { maxLength: 4 })
  .map(
    (parts) =>
      `"${parts.map((part) => (part.startsWith("\\") ? part : JSON.stringify(part).slice(1, -1))).join("")}"`,
  );
const numberToken = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(
      fc.constantFrom("0", "9007199254740991", "9007199254740992", "90071992547409910"),
      fc.stringMatching(/^[1-9][0-9]{0,24}$/),
    ),
    fc.constantFrom("", ".0", ".5", ".00000000000000000001"),
    fc.constantFrom("", "e0", "E5", "e+400", "e-400", "e292", "e308"),
  )
  .map((parts) => parts.join(""));
/** JSON texts of values that a serialiser would never write. */
const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.oneof(numberToken, textToken, fc.constantFrom("true", "false", "null")),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join()}]`),
    fc
      .array(fc.tuple(fc.oneof(textToken, fc.constantFrom('"__proto__"', '"a"')), tie("value")), {
        maxLength: 4,
      })
      .map((members) => `{${members.map(([name, value]) => `${name} : ${value}`).join(",\n")}}`),
  ),
})).value;
const wrapped = fc
  .tuple(jsonText, fc.nat({ max: 70 }), fc.constantFrom("[", '{"a":'))
  .map(
    ([text, depth, open]) => open.repeat(depth) + text + (open === "[" ? "]" : "}").repeat(depth),
  );

test("a body is taken, and refused, as JSON.parse and the rules say", () => {
  fc.assert(
    fc.property(wrapped, (text) => {
      const got = outcome(Buffer.from(text));
      expect({ text, same: isDeepStrictEqual(got, expected(text)) }).toEqual({ text, same: true });
    }),
    { numRuns: 3_000 },
  );
});

test("so is a body of which a piece is missing, or has come twice", () => {
  const broken = fc
    .tuple(
      wrapped,
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.constantFrom("", "[", "}", '"', "\\", "1", ",", "e", "\u0000"),
    )
    .map(([text, at, cut, more]) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + more + text.slice(start + cut);
    })
    // Half a pair of surrogates is no UTF-8 to begin with.
    .filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(broken, (text) => {
      const got = outcome(Buffer.from(text));
      // Deeper than we go it is malformed, whatever else is wrong with it.
      if ("refused" in got && got.refused === "malformed_request") {
        expect(expected(text)).toEqual({ refused: "malformed_request" });
      } else
        expect({ text, same: isDeepStrictEqual(got, expected(text)) }).toEqual({
          text,
          same: true,
        });
    }),
    { numRuns: 3_000 },
  );
});

test("bytes of any kind are taken or refused, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const got = outcome(bytes);
      if (!("refused" in got))
        expect(JSON.parse(Buffer.from(bytes).toString("utf8"))).toEqual(got.value);
    }),
    { numRuns: 3_000 },
  );
});
