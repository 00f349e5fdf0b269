import { describe, expect, test } from "vitest";
import { makeCursor, readCursor } from "./cursor.ts";
import { matchesTag } from "./entity-tag.ts";
import { canonicalJson, readIdempotencyKey, requestFingerprint } from "./idempotency-key.ts";
import { preferredWaitSeconds } from "./prefer.ts";
import { prefersText } from "./prefers-text.ts";
import { retryAfterSeconds } from "./retry-after.ts";

test.each<[string | undefined, number | null]>([
  [undefined, null],
  ["wait=20", 20],
  ["Wait = 20", 20],
  ['wait="20"', 20],
  ["respond-async, wait=5", 5],
  ["respond-async;foo=bar, wait=5; x=y", 5],
  ["wait=61", 60],
  ["wait=999999999", 60],
  ["wait=9999999999999999999", null],
  ["wait=0", null],
  ["wait=-5", null],
  ["wait=1.5", null],
  ["wait=abc", null],
  ["wait", null],
  ["wait=", null],
  ["waiting=5", null],
  ["wait=3, wait=9", 3],
  [",,;;==", null],
  ["wait=5".padEnd(2_000, " "), null],
])("Prefer: %j waits %j", (header, seconds) => {
  expect(preferredWaitSeconds(header)).toBe(seconds);
});

test.each<[string | undefined, boolean]>([
  [undefined, false],
  ['W/"a"', true],
  ['"a"', true],
  ["*", true],
  ['"b", W/"a"', true],
  ['"b"', false],
  ["a", false],
  ['W/"a', false],
  ["", false],
])("If-None-Match: %j", (header, matches) => {
  expect(matchesTag(header, 'W/"a"')).toBe(matches);
});

test.each<[string | undefined, boolean]>([
  [undefined, false],
  ["*/*", false],
  ["application/json", false],
  ["text/plain", true],
  ["text/plain;version=0.0.4", true],
  ["application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.1", true],
  ["application/json, text/plain, */*", false],
  ["application/json;q=0.5, text/plain", true],
  ["text/plain;q=0", false],
])("Accept: %j", (header, text) => {
  expect(prefersText(header)).toBe(text);
});

describe("idempotency", () => {
  test("a key is one key, quoted or bare", () => {
    expect(readIdempotencyKey("k")).toBe("k");
    expect(readIdempotencyKey('"k"')).toBe("k");
    expect(readIdempotencyKey('"a\\"b"')).toBe('a"b');
    expect(readIdempotencyKey("x".repeat(255))).toHaveLength(255);
    expect(readIdempotencyKey(undefined)).toBeNull();
  });

  test("one text for one value", () => {
    const a = JSON.parse('{"b":[1,{"y":1,"x":null}],"a":"\\u00e9","__proto__":1}') as unknown;
    const b = JSON.parse('{"__proto__":1.0,"a":"é","b":[1,{"x":null,"y":1}]}') as unknown;
    expect(canonicalJson(a)).toBe(canonicalJson(b));
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
    expect(JSON.parse(canonicalJson(a))).toEqual(a);
    expect(requestFingerprint("e", a).equals(requestFingerprint("e@1", a))).toBe(false);
  });
});

test("a cursor comes back, for its own list", () => {
  const any = (place: string) => place;
  const cursor = makeCursor("keys", "2026-01-01T00:00:00.000Z é");
  expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(readCursor("keys", cursor, any)).toBe("2026-01-01T00:00:00.000Z é");
  expect(readCursor("keys", undefined, any)).toBeNull();
  expect(() => readCursor("engines", cursor, any)).toThrow("cursor");
  expect(() => readCursor("keys", cursor, () => null)).toThrow("cursor");
});

test("Retry-After grows with age, and looks ahead to what is scheduled", () => {
  const now = Date.now();
  const at = (seconds: number) => new Date(now + seconds * 1000);
  const of = (status: string, created_at: Date, run_at: Date | null = null) =>
    retryAfterSeconds({ status, created_at, run_at }, now);
  expect(of("queued", at(0))).toBe(1);
  expect(of("running", at(-25))).toBe(2);
  expect(of("running", at(-3600))).toBe(10);
  expect(of("scheduled", at(0), at(5.2))).toBe(6);
  expect(of("scheduled", at(0), at(3600))).toBe(60);
  expect(of("scheduled", at(-3600), at(0.5))).toBe(1);
  expect(of("queued", at(-3600), at(-5))).toBe(1);
});
