import { describe, expect, test } from "vitest";
import {
  frontEndCallerId,
  hasScope,
  mayExecute,
  mayExecuteSome,
  planeCaller,
  seesEngine,
  type FrontEndCaller,
  type ProgramCaller,
} from "./caller.ts";
import { limitOfCaller } from "./limit-of-caller.ts";
import { scopesOfToken } from "./token-scopes.ts";

function program(scopes: string[], rest: Partial<ProgramCaller> = {}): ProgramCaller {
  return {
    kind: "program",
    id: "key:000000000001",
    keyId: "000000000001",
    scopes: new Set(scopes),
    engines: null,
    rateLimit: "default",
    ...rest,
  };
}

const frontEnd: FrontEndCaller = {
  kind: "front_end",
  id: frontEndCallerId("tl-engine", "alice"),
  scopes: scopesOfToken("engines:execute:echo keys:admin"),
};

describe("what a caller may", () => {
  test("tl-plane may everything", () => {
    expect(hasScope(planeCaller, "keys:admin")).toBe(true);
    expect(mayExecute(planeCaller, "echo")).toBe(true);
    expect(mayExecuteSome(planeCaller)).toBe(true);
  });

  test("a narrow scope opens one engine", () => {
    expect(mayExecute(frontEnd, "echo")).toBe(true);
    expect(mayExecute(frontEnd, "echo2")).toBe(false);
    expect(mayExecuteSome(frontEnd)).toBe(true);
    expect(hasScope(frontEnd, "engines:execute")).toBe(false);
    expect(mayExecuteSome(program(["engines:read"]))).toBe(false);
  });

  test("an engine outside a key's list is absent, whatever the scopes", () => {
    const caller = program(["engines:execute"], { engines: new Set(["echo"]) });
    expect(seesEngine(caller, "resize")).toBe(false);
    expect(mayExecute(caller, "resize")).toBe(false);
    expect(mayExecute(caller, "echo")).toBe(true);
    expect(seesEngine(program([], { engines: new Set() }), "echo")).toBe(false);
  });
});

describe("a token's scopes", () => {
  test("left out: the first four", () => {
    expect([...scopesOfToken(undefined)]).toEqual([
      "engines:read",
      "engines:execute",
      "executions:read",
      "executions:write",
    ]);
  });

  test.each([
    "",
    " ",
    null,
    [],
    ["engines:read"],
    {},
    1,
    "keys:admin engines:admin",
    "ENGINES:READ",
  ])("%j gives nothing", (claim) => {
    expect(scopesOfToken(claim).size).toBe(0);
  });
});

test("a front end's name tells neither issuer nor subject, and mixes up no two", () => {
  expect(frontEndCallerId("a", "b")).toMatch(/^jwt:[A-Za-z0-9_-]{43}$/);
  expect(frontEndCallerId("a", "bc")).not.toBe(frontEndCallerId("ab", "c"));
});

test("the limit is the key's own, or the configuration's, and ten times as much for reads", () => {
  const limits = { rateLimit: 1000, readRateLimit: 7000, planeRateLimit: 100_000 };
  const asked = (caller: Parameters<typeof limitOfCaller>[0]) => [
    limitOfCaller(caller, "requests", limits),
    limitOfCaller(caller, "reads", limits),
  ];
  expect(asked(planeCaller)).toEqual([100_000, 1_000_000]);
  expect(asked(frontEnd)).toEqual([1000, 7000]);
  expect(asked(program([]))).toEqual([1000, 7000]);
  expect(asked(program([], { rateLimit: 5 }))).toEqual([5, 50]);
  expect(asked(program([], { rateLimit: null }))).toEqual([null, null]);
});
