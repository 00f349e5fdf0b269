import { defineContract, z } from "@tl-engine/engine-kit";

export const connectionTestContract = defineContract({
  id: "connection.test",
  version: 1,
  title: "Test of a connection",
  description:
    "Makes one call through a connection and says how it was answered. POST /connections/{id}/test runs it; nothing is tried again.",
  input: z.object({
    connection: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)
      .describe("The connection's id"),
    kind: z
      .enum(["http", "grpc", "websocket", "smtp"])
      .default("http")
      .describe("The connection's"),
    method: z.enum(["GET", "HEAD"]).default("GET"),
    path: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/)
      .max(2000)
      .optional()
      .describe("Below the connection's base URL; left out: the base URL itself"),
  }),
  output: z.object({
    status: z
      .int()
      .describe(
        "Of the answer, whatever it is; of gRPC its status code, of SMTP the code of the reply",
      ),
    duration_ms: z.int(),
  }),
  example: { connection: "crm", path: "/health" },
});
