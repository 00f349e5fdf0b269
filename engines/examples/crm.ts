import { defineEngine, z } from "@tl-engine/engine-kit";

export default defineEngine({
  id: "crm.contact",
  version: 1,
  input: z.object({ contact: z.string().regex(/^[0-9]{1,12}$/) }),
  output: z.object({ contact: z.unknown() }),
  uses: ["http:crm"], // or ["http"]: every connection of that kind, and plain addresses
  async run({ contact }, ctx) {
    const answer = await ctx.clients.http("crm").request(`/contacts/${contact}`);
    return { contact: answer.json() };
  },
});
