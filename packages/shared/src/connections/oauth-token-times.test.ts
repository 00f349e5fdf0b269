import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leastAgeMs, pauseMs, renewInMs } from "./oauth-token-times.ts";

const chance = fc.double({ min: 0, max: 1, noNaN: true });

describe("a token is renewed", () => {
  test("a tenth of its life before its end, or 30 s where that is more", () => {
    expect(renewInMs(3_600_000, 0)).toBe(3_240_000);
    expect(renewInMs(120_000, 0)).toBe(90_000);
  });

  test("never before half of its life, and always before its end", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 * 86_400_000 }), chance, (lifeMs, luck) => {
        const ms = renewInMs(lifeMs, luck);
        expect(ms).toBeGreaterThanOrEqual(lifeMs / 2);
        expect(ms).toBeLessThan(lifeMs);
      }),
    );
  });

  test("at another time by chance", () => {
    expect(renewInMs(3_600_000, 1)).toBe(3_060_000);
  });
});

describe("an endpoint that fails", () => {
  test("is left in peace for twice as long each time, up to a minute", () => {
    const pauses = [1, 2, 3, 7, 50].map((failures) => pauseMs(failures, 0, 1));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  });

  test("is never asked again at once, and not before the time that it says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), chance, (failures, luck) => {
        expect(pauseMs(failures, 0, luck)).toBeGreaterThanOrEqual(500);
        expect(pauseMs(failures, 300_000, luck)).toBe(300_000);
      }),
    );
  });
});

test("the first refusal is worth a new token at once, the next ones are not", () => {
  expect([0, 1, 2, 3, 20].map(leastAgeMs)).toEqual([0, 1_000, 2_000, 4_000, 60_000]);
});
