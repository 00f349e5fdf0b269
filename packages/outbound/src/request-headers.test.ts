import { expect, it } from "vitest";

import { checkHeaders } from "./request-headers.ts";

it("takes names that every object knows of itself", () => {
  for (const name of ["Constructor", "toString", "hasOwnProperty", "valueOf"]) {
    expect(checkHeaders({ [name]: " x " })).toEqual({ [name.toLowerCase()]: "x" });
  }
  expect(() => checkHeaders(JSON.parse('{"__proto__":"x"}') as Record<string, string>)).toThrow(
    "not allowed",
  );
});

it("refuses a header that is given twice, however it is spelled", () => {
  expect(() => checkHeaders({ "X-A": "1", "x-a": "2" })).toThrow("the header x-a is given twice");
});
