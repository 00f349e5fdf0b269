import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSecretBox } from "../secrets/secret-box.ts";
import { createCompletionTokens } from "./completion-token.ts";

const key = () => randomBytes(32).toString("base64");
const [old, current] = [key(), key()];
const tokens = createCompletionTokens(createSecretBox([current]));
const ids = fc.uuid();
const dispatches = fc.nat({ max: 2_147_483_647 });

test("a token opens its execution, and says for which dispatch", () => {
  fc.assert(
    fc.property(ids, dispatches, (id, dispatch) => {
      expect(tokens.check(id, tokens.make(id, dispatch))).toBe(dispatch);
    }),
  );
});

test("it opens no other execution, and is good for no other dispatch", () => {
  fc.assert(
    fc.property(ids, ids, dispatches, dispatches, (id, other, dispatch, another) => {
      fc.pre(id !== other && dispatch !== another);
      const token = tokens.make(id, dispatch);
      expect(tokens.check(other, token)).toBeNull();
      const moved = token.replace(`tlc_${dispatch}_`, `tlc_${another}_`);
      expect(tokens.check(id, moved)).toBeNull();
    }),
  );
});

test("no other text is one, whatever it looks like", () => {
  const id = "0199aaaa-0000-7000-8000-000000000000";
  const good = tokens.make(id, 3);
  for (const text of ["", "tlc_", "tlc_3_", `${good}A`, good.slice(0, -1), good.toUpperCase()]) {
    expect(tokens.check(id, text)).toBeNull();
  }
  fc.assert(
    fc.property(fc.nat({ max: 42 }), fc.constantFrom("A", "b", "-", "="), (at, letter) => {
      const place = good.length - 1 - at;
      fc.pre(good[place] !== letter);
      // The last letter holds two bits that mean nothing; another letter with the same four is the same token.
      fc.pre(at > 0);
      const changed = `${good.slice(0, place)}${letter}${good.slice(place + 1)}`;
      expect(tokens.check(id, changed)).toBeNull();
    }),
  );
});

test("while the key is rotated the older one's are taken, and after that no more", () => {
  const id = "0199aaaa-0000-7000-8000-000000000000";
  const before = createCompletionTokens(createSecretBox([old])).make(id, 1);
  expect(createCompletionTokens(createSecretBox([current, old])).check(id, before)).toBe(1);
  expect(tokens.check(id, before)).toBeNull();
  const made = createCompletionTokens(createSecretBox([current, old])).make(id, 1);
  expect(tokens.check(id, made)).toBe(1);
});
