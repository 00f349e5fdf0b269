import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";
import greet from "./greet.ts";

test("greets", async () => {
  expect(await runEngine(greet, { name: "Ada" })).toEqual({ greeting: "Hello, Ada!" });
});

test("demands a name", async () => {
  await expect(runEngine(greet, { name: "" })).rejects.toMatchObject({ code: "input_invalid" });
});
