import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({ path: z.string().default("/contacts") }),
  output: z.object({ status: z.int(), attempt: z.int() }),
  backoff: { initial: "20ms", max: "50ms" },
  maxAttempts: 20,
  uses: ["http:crm"],
} as const;

/** One call through the connection crm. */
const contact = defineEngine({
  ...contract,
  id: "crm.contact",
  async run({ path }, ctx) {
    const { status } = await ctx.clients.http("crm").request(path, { step: "contact" });
    return { status, attempt: ctx.attempt };
  },
});

/** The same, from a process of its own. */
const fromProcess = defineEngine({ ...contact, id: "crm.process", isolation: "process" });

export default [contact, fromProcess];
