import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationSchema, formatDuration, parseDuration } from "./duration.ts";

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

describe("durations", () => {
  test("each whole number up to nine digits with a unit is its product", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 999_999_999 }),
        fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
        (count, unit) => {
          expect(parseDuration(`${count}${unit}`)).toBe(count * units[unit]);
        },
      ),
    );
  });

  test("what is written for a duration is read as the same one", () => {
    const read = fc
      .tuple(fc.nat({ max: 999_999_999 }), fc.constantFrom("ms", "s", "m", "h", "d"))
      .map(([count, unit]) => parseDuration(`${count}${unit}`) ?? Number.NaN);
    fc.assert(
      fc.property(read, (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  test("other texts are none, and the schema takes exactly what is read", () => {
    const close = fc.stringMatching(/^[-+ ]?[0-9٠①.e]{0,11}( ?(ms|s|m|h|d|S|w|Ms)){0,2}\n?$/);
    fc.assert(
      fc.property(fc.oneof(close, fc.string({ unit: "binary", maxLength: 12 })), (text) => {
        const ms = parseDuration(text);
        expect(durationSchema.safeParse(text).success).toBe(ms !== null);
        if (ms !== null) expect(text).toMatch(/^(0|[1-9]\d{0,8})(ms|[smhd])$/);
      }),
      { numRuns: 1_000 },
    );
  });
});
