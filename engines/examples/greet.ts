import { defineEngine, z } from "@tl-engine/engine-kit";

export default defineEngine({
  id: "greet",
  version: 1,
  input: z.object({ name: z.string().min(1) }),
  output: z.object({ greeting: z.string() }),
  run: ({ name }) => ({ greeting: `Hello, ${name}!` }),
});
