import { expect, test } from "vitest";
import { createStartGate } from "./start-gate.ts";

test("lets in as many as there is room for, and says when there is room again", () => {
  const gate = createStartGate(2);
  const entered: boolean[] = [];
  gate.onRoom(() => entered.push(gate.enter()));
  expect([gate.enter(), gate.enter(), gate.enter()]).toEqual([true, true, false]);
  gate.leave();
  expect(entered).toEqual([true]);
  expect(gate.enter()).toBe(false);
});
