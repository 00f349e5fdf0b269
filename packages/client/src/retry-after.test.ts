import { expect, test } from "vitest";
import { retryAfterSeconds } from "./retry-after.ts";

test.for([
  [null, null],
  ["", null],
  ["soon", null],
  ["-1", null],
  ["0", 0],
  [" 120 ", 120],
  ["Thu, 01 Jan 2026 00:00:30 GMT", 30],
  ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
] as const)("%s → %s", ([header, seconds]) => {
  expect(retryAfterSeconds(header, Date.parse("2026-01-01T00:00:00Z"))).toBe(seconds);
});
