import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSecretBox } from "./secret-box.ts";
import { SecretUnreadableError } from "./secret-errors.ts";

const newKey = (): string => randomBytes(32).toString("base64");
const text = fc.string({ unit: "grapheme", maxLength: 200 });
const context = fc.string({ minLength: 1, maxLength: 60 });

/** Why an envelope does not open. */
function reasonOf(open: () => string): string {
  try {
    open();
  } catch (error) {
    if (error instanceof SecretUnreadableError) return error.reason;
    throw error;
  }
  return "opened";
}

describe("a secret box", () => {
  const key = newKey();
  const box = createSecretBox([key]);

  test("opens what it sealed, in the same place alone", () => {
    fc.assert(
      fc.property(text, context, context, (plain, here, there) => {
        const envelope = box.seal(plain, here);
        expect(box.open(envelope, here)).toBe(plain);
        if (there !== here) expect(reasonOf(() => box.open(envelope, there))).toBe("tampered");
      }),
    );
  });

  test("refuses an envelope of which a single character was changed, added or removed", () => {
    fc.assert(
      fc.property(
        text,
        fc.nat(),
        fc.constantFrom("replace", "insert", "remove"),
        fc.constantFrom("A", "B", "z", "0", "9", "_", "-", ".", "=", "+", "/", " ", "\n"),
        (plain, place, how, character) => {
          const envelope = box.seal(plain, "c");
          const at = place % envelope.length;
          const changed =
            envelope.slice(0, at) +
            (how === "remove" ? "" : character) +
            envelope.slice(how === "insert" ? at : at + 1);
          if (changed === envelope) return;
          expect(reasonOf(() => box.open(changed, "c"))).not.toBe("opened");
        },
      ),
      { numRuns: 500 },
    );
  });

  test("refuses any text that it did not seal, without another error than its own", () => {
    const parts = fc.array(fc.string({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          parts.map((all) => ["v1", ...all].join(".")),
        ),
        (noise) => {
          expect(reasonOf(() => box.open(noise, "c"))).not.toBe("opened");
        },
      ),
    );
  });

  test("refuses what another key sealed, also where it says that it was this one", () => {
    const envelope = createSecretBox([newKey()]).seal("plain", "c");
    expect(reasonOf(() => box.open(envelope, "c"))).toBe("unknown_key");
    const parts = envelope.split(".");
    parts[1] = box.currentKeyId;
    expect(reasonOf(() => box.open(parts.join("."), "c"))).toBe("tampered");
  });

  test("seals with the first of two keys and opens with both", () => {
    const newer = newKey();
    const both = createSecretBox([newer, key]);
    const old = box.seal("plain", "c");
    expect(both.keyIdOf(old)).toBe(box.currentKeyId);
    expect(both.open(old, "c")).toBe("plain");
    const envelope = both.seal("plain", "c");
    expect(both.keyIdOf(envelope)).toBe(createSecretBox([newer]).currentKeyId);
    expect(createSecretBox([newer]).open(envelope, "c")).toBe("plain");
    expect(reasonOf(() => box.open(envelope, "c"))).toBe("unknown_key");
    expect(both.keyIds).toEqual([both.currentKeyId, box.currentKeyId]);
  });

  test("makes another envelope each time, and shows nothing of the secret in an error", () => {
    expect(box.seal("plain", "c")).not.toBe(box.seal("plain", "c"));
    const envelope = createSecretBox([newKey()]).seal("hunter2", "c");
    expect(() => box.open(envelope, "c")).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("hunter2") as string }),
    );
  });

  test("names its keys by their SHA-256, and derives a key for each purpose", () => {
    const sha = createHash("sha256").update(Buffer.from(key, "base64")).digest("hex");
    expect(box.currentKeyId).toBe(sha.slice(0, 8));
    expect(box.deriveKey("a").length).toBe(32);
    expect(box.deriveKey("a")).toEqual(createSecretBox([key]).deriveKey("a"));
    expect(box.deriveKey("a")).not.toEqual(box.deriveKey("b"));
    const two = createSecretBox([newKey(), key]);
    expect(two.deriveKeys("a")).toEqual([two.deriveKey("a"), box.deriveKey("a")]);
  });

  test("takes no short key, and is none without a key", () => {
    expect(() => createSecretBox([])).toThrow("needs a key");
    expect(() => createSecretBox([randomBytes(31).toString("base64")])).toThrow("32 bytes");
  });
});
