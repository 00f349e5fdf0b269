import { defineContract, z } from "@tl-engine/engine-kit";

const connection = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be the id of a connection");
const text = z
  .string()
  .min(1)
  .max(200_000)
  .describe("In the channel's own markup; {{name}} is a variable where variables are given");
const title = z.string().min(1).max(250);
const variables = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/),
    z.union([z.string(), z.number(), z.boolean()]),
  )
  .optional()
  .describe(
    "Values of {{name}} in title, text and html, escaped for the channel; without them braces are braces",
  );
const idempotent = z
  .boolean()
  .optional()
  .describe("A message that comes twice does no harm: one that may have arrived is tried again");
const timeout = z
  .string()
  .regex(/^[1-9][0-9]{0,8}(ms|s|m|h)$/, "must be a duration such as 500ms, 30s or 5m")
  .optional()
  .describe("Default: what the connection says");

const chat = z.strictObject({
  channel: z
    .enum(["slack", "discord", "teams"])
    .describe("slack: also what takes its messages, such as Mattermost and Rocket.Chat"),
  connection: connection.describe(
    "Id of an http connection whose base URL is the channel's incoming webhook",
  ),
  title: title.optional(),
  text,
  variables,
  timeout,
  idempotent,
});

const address = z.string().min(3).max(320);
const addresses = z.array(address).max(100);

const email = z.strictObject({
  channel: z.literal("email"),
  connection: connection.describe("Id of an smtp connection"),
  from: address.describe("shop@example.com, or Shop <shop@example.com>"),
  to: addresses.min(1),
  cc: addresses.optional(),
  bcc: addresses.optional(),
  reply_to: address.optional(),
  title: title.describe("The subject"),
  text: text.optional().describe("Left out: made of html, for programs that show no HTML"),
  html: z.string().min(1).max(500_000).optional(),
  variables,
  timeout,
  idempotent,
});

export type Chat = z.output<typeof chat>;
export type Email = z.output<typeof email>;

export const notifySendContract = defineContract({
  id: "notify.send",
  version: 1,
  title: "Send a notification",
  description:
    "Sends a message to a chat channel (Slack and what takes its messages, Discord, Teams) or by e-mail, through a connection. Templates, and plain text beside HTML.",
  input: z.discriminatedUnion("channel", [chat, email]),
  output: z.object({
    channel: z.enum(["slack", "discord", "teams", "email"]),
    status: z.int().describe("Of the answer; of e-mail the code of the reply"),
    duration_ms: z.int(),
    message_id: z.string().nullable().describe("Of e-mail; the same in every attempt"),
    accepted: z.array(z.string()).nullable().describe("Recipients of e-mail"),
    rejected: z
      .array(z.string())
      .nullable()
      .describe("Recipients that the mail server did not take, while it took others"),
  }),
  example: {
    channel: "slack",
    connection: "ops-channel",
    title: "Import done",
    text: "*{{file}}* has {{rows}} rows",
    variables: { file: "orders.csv", rows: 1204 },
  },
});
