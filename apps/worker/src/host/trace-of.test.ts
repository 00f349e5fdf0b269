import { expect, test } from "vitest";
import { traceOf } from "./trace-of.ts";

test("an execution's own trace is valid, and is its id", () => {
  expect(traceOf("01a20e85-15e1-75a2-9daf-ade3cb978460")).toBe(
    "00-01a20e8515e175a29dafade3cb978460-9dafade3cb978460-00",
  );
});
