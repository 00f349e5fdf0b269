import { defineEngine, httpUrl, RetryAfterError, TerminalError, z } from "@tl-engine/engine-kit";

export default defineEngine({
  id: "order.place",
  version: 1,
  input: z.object({ shop: httpUrl(), sku: z.string(), quantity: z.int().min(1) }),
  output: z.object({ order_id: z.string() }),
  uses: ["http"], // without it, ctx.clients.http does not compile
  timeout: "20s",
  maxAttempts: 5,

  async run({ shop, sku, quantity }, ctx) {
    const answer = await ctx.clients.http().request(`${shop}/orders`, {
      json: { sku, quantity },
      // The same on every attempt, so the shop sees one order.
      idempotencyKey: ctx.idempotencyKey("order"),
      idempotent: true,
      acceptStatus: [201, 404, 409],
    });
    if (answer.status === 404) throw new TerminalError(`The shop does not sell ${sku}`);
    if (answer.status === 409) throw new RetryAfterError(`${sku} is out of stock`, "15m");
    const { id } = z.object({ id: z.string() }).parse(answer.json());
    return { order_id: id };
  },
});
