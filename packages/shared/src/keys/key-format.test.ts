import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashSecret, makeKey, parseKey } from "./key-format.ts";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".split("");
const anyKey = fc.constant(null).map(() => makeKey());

describe("the key format", () => {
  test("a key is what the contract says, and can be read back", () => {
    fc.assert(
      fc.property(anyKey, ({ id, key, secretHash, lastFour }) => {
        expect(key).toMatch(/^tlk_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/);
        const parts = parseKey(key);
        expect(parts?.id).toBe(id);
        expect(hashSecret(parts?.secret ?? "")).toEqual(secretHash);
        expect(key.endsWith(lastFour)).toBe(true);
      }),
    );
  });

  test("any one wrong character is noticed, and any two swapped neighbours", () => {
    fc.assert(
      fc.property(
        anyKey,
        fc.nat(65),
        fc.constantFrom(...base62, "_", "-", " "),
        ({ key }, at, other) => {
          const typo = key.slice(0, at) + other + key.slice(at + 1);
          expect(parseKey(typo) === null).toBe(typo !== key);
          const swapped =
            key.slice(0, at) + key.charAt(at + 1) + key.charAt(at) + key.slice(at + 2);
          expect(parseKey(swapped) === null).toBe(swapped !== key);
        },
      ),
    );
  });

  test("no other text is a key", () => {
    fc.assert(fc.property(fc.string({ maxLength: 80 }), (text) => parseKey(text) === null));
    const { key } = makeKey();
    for (const text of ["", "tlk_", ` ${key}`, `${key}\n`, key.toUpperCase(), key + key]) {
      expect(parseKey(text)).toBeNull();
    }
    expect(parseKey("tlk_".repeat(1_000_000))).toBeNull();
  });

  test("a second secret of a record keeps its id", () => {
    const first = makeKey();
    const second = makeKey(first.id);
    expect(second.id).toBe(first.id);
    expect(second.secretHash).not.toEqual(first.secretHash);
    expect(parseKey(second.key)?.id).toBe(first.id);
  });

  test("secrets use the whole alphabet evenly", () => {
    const counts = new Map<string, number>();
    for (let at = 0; at < 2000; at++) {
      for (const character of parseKey(makeKey().key)?.secret ?? "") {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    // 86,000 characters, 1,387 of each expected with a deviation of 37: seven of those to both sides.
    expect(counts.size).toBe(62);
    for (const count of counts.values()) expect(Math.abs(count - 1387)).toBeLessThan(7 * 37);
  });
});
