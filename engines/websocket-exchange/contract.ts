import { defineContract, z } from "@tl-engine/engine-kit";

const MIB = 1024 * 1024;
const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,8}(ms|s|m|h)$/, "must be a duration such as 500ms, 30s or 5m");

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, "must be base64");

export const websocketExchangeContract = defineContract({
  id: "websocket.exchange",
  version: 1,
  title: "WebSocket exchange",
  description:
    "Connects, sends messages, and collects what comes until a count, a match, a silence, the other side's close or the deadline. Private addresses are refused. Every exchange is on record.",
  input: z.object({
    connection: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be the id of a connection")
      .optional()
      .describe("Id of a WebSocket connection; url is then a path below its base URL"),
    url: z.string().max(8192).describe("wss:// or ws:// address, without credentials in it"),
    headers: z.record(z.string(), z.string()).optional().describe("Of the handshake"),
    subprotocols: z.array(z.string()).max(20).optional().describe("Offered in this order"),
    send: z
      .array(
        z.union([
          z.strictObject({ text: z.string() }),
          z.strictObject({ json: z.unknown() }),
          z.strictObject({ base64: base64 }),
        ]),
      )
      .max(1000)
      .optional()
      .describe("Messages, sent in this order: text, JSON as text, or binary in base64"),
    until: z
      .strictObject({
        count: z.int().min(1).max(10_000).optional().describe("So many messages"),
        contains: z.string().min(1).optional().describe("A text message with this in it"),
        json: z
          .record(z.string(), z.unknown())
          .optional()
          .describe("A JSON message with these members, each with this very value"),
        idle: duration.optional().describe("Nothing came for so long"),
      })
      .optional()
      .describe("What ends the exchange, whichever comes first. Always: close and timeout"),
    timeout: duration
      .optional()
      .describe(
        "The whole exchange ends by then, with what was collected. Default: 30s, or what the connection says",
      ),
    max_message_bytes: z.int().min(1).max(MIB).default(MIB),
    max_bytes: z
      .int()
      .min(1)
      .max(5 * MIB)
      .default(5 * MIB)
      .describe("All messages together"),
    idempotent: z
      .boolean()
      .optional()
      .describe(
        "The other side does nothing twice, so a failed exchange is made again though messages were sent",
      ),
  }),
  output: z.object({
    messages: z.array(
      z.object({
        type: z.enum(["text", "binary"]),
        data: z.string().describe("Text, or base64 of a binary message"),
        at_ms: z.int().describe("Since the connection was open"),
      }),
    ),
    ended_by: z.enum(["count", "match", "idle", "closed", "deadline", "cap"]),
    close: z
      .object({ code: z.int(), reason: z.string() })
      .nullable()
      .describe("The other side's; null where this side closed"),
    subprotocol: z.string().nullable(),
    duration_ms: z.int(),
  }),
  example: {
    url: "wss://echo.websocket.org/",
    send: [{ text: "hello" }],
    until: { contains: "hello" },
  },
});
