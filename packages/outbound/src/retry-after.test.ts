import { expect, it } from "vitest";

import { retryAfterMs } from "./retry-after.ts";

const NOW = Date.parse("2026-11-24T09:00:00Z");
const HOUR = 3_600_000;

it.each([
  ["120", 120_000],
  [" 0 ", 0],
  ["999999999999999999999", 24 * HOUR],
  ["Tue, 24 Nov 2026 10:00:00 GMT", HOUR],
  ["Tuesday, 24-Nov-26 10:00:00 GMT", HOUR],
  ["Tue Nov 24 10:00:00 2026", HOUR],
  ["Tue, 24 Nov 2026 08:00:00 GMT", 0],
  ["Fri, 01 Jan 2100 00:00:00 GMT", 24 * HOUR],
  ["", undefined],
  ["-3", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["2026-11-24T10:00:00Z", undefined],
])("reads %j as %j ms", (value, ms) => {
  expect(retryAfterMs({ "retry-after": value }, NOW)).toBe(ms);
});

it("measures a date against the answer's own clock", () => {
  const headers = {
    "retry-after": "Tue, 24 Nov 2026 23:00:30 GMT",
    date: "Tue, 24 Nov 2026 23:00:00 GMT",
  };
  expect(retryAfterMs(headers, NOW)).toBe(30_000);
});

it("is undefined without the header", () => {
  expect(retryAfterMs({}, NOW)).toBeUndefined();
});
