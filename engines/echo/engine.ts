import { defineEngine } from "@tl-engine/engine-kit";
import { echoContract } from "./contract.ts";

export default defineEngine({
  ...echoContract,
  timeout: "5s",
  short: "1ms",
  run: (input) => input,
});
