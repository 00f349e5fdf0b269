import { defineContract } from "@tl-engine/engine-kit";
import { z } from "zod";

export const echoContract = defineContract({
  id: "echo",
  version: 1,
  title: "Echo",
  description:
    "Gives back its input. For trying things out, and for measuring the way there and back.",
  input: z.unknown().describe("Any JSON value"),
  output: z.unknown().describe("The same value"),
  example: { hello: "world" },
});
