import { defineContract, z } from "@tl-engine/engine-kit";

export const webhookDeliverContract = defineContract({
  id: "webhook.deliver",
  version: 1,
  title: "Webhook",
  description:
    "Sends one message signed by Standard Webhooks, through a connection (auth hmac, scheme standard_webhooks) or to a webhook endpoint of the caller's own. Tried again after 5 s, 5 m, 30 m, 2 h, 5 h, 10 h and 14 h, always under the same webhook-id. 410 and redirects end it.",
  input: z.object({
    connection: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be the id of a connection")
      .optional()
      .describe("Id of an http connection that signs. Either this or endpoint"),
    path: z
      .string()
      .max(2048)
      .regex(/^\/([^\s/\\][^\s\\]*)?$/u, "must be a path such as /hook")
      .optional()
      .describe("Below the connection's base URL; left out: that itself. Not with endpoint"),
    endpoint: z
      .string()
      .regex(/^whe_[0-9a-z]{24}$/, "must be the id of a webhook endpoint")
      .optional()
      .describe("Id of a webhook endpoint of the caller's own. Either this or connection"),
    type: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[A-Za-z0-9_.:/-]+$/, "must be a word such as invoice.paid")
      .describe("What happened"),
    data: z.unknown().describe("What is to be said of it"),
    timestamp: z.iso
      .datetime({ offset: true })
      .optional()
      .describe("When it happened; left out: when the execution was submitted"),
    id: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,200}$/, "must be letters, digits, _ and -")
      .optional()
      .describe(
        "The webhook-id, by which receivers tell repetitions; left out: the execution's id",
      ),
  }),
  output: z.object({
    webhook_id: z.string(),
    status: z.int().describe("The receiver's answer, 200 to 299"),
    duration_ms: z.int(),
  }),
  example: {
    connection: "partner-hook",
    type: "invoice.paid",
    data: { invoice: "A-17", amount: 12 },
  },
});
