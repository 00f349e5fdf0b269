import { defineContract, z } from "@tl-engine/engine-kit";

const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,8}(ms|s|m|h)$/, "must be a duration such as 500ms, 30s or 5m");

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, "must be base64");

export const grpcCallContract = defineContract({
  id: "grpc.call",
  version: 1,
  title: "gRPC call",
  description:
    "Calls a unary or server-streaming method of any gRPC service, JSON in and JSON out. Private addresses are refused. Every call is on record.",
  input: z.object({
    connection: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be the id of a connection")
      .optional()
      .describe("Id of a gRPC connection; it says where the call goes. Not together with target"),
    target: z
      .string()
      .max(2048)
      .optional()
      .describe(
        "grpcs://host:port, or grpc://host:port for plaintext. Not together with connection",
      ),
    method: z.string().max(400).describe("package.Service/Method"),
    message: z.unknown().optional().describe("The request as proto3 JSON. Default: an empty one"),
    descriptor_set: base64
      .optional()
      .describe(
        "A FileDescriptorSet (protoc --include_imports --descriptor_set_out) in base64. Without it and without proto the server is asked by reflection",
      ),
    proto: z
      .record(z.string().max(256), z.string())
      .optional()
      .describe(".proto texts by the names under which they import one another"),
    metadata: z
      .record(z.string(), z.string())
      .optional()
      .describe("ASCII values; names that end in -bin take base64"),
    timeout: duration
      .optional()
      .describe(
        "The deadline, told to the server too; never later than the attempt's own. Default: 30s, or what the connection says",
      ),
    max_messages: z
      .int()
      .min(1)
      .max(10_000)
      .default(100)
      .describe("Of a server stream: more are not taken"),
    idempotent: z
      .boolean()
      .optional()
      .describe(
        "The server does nothing twice for one idempotency-key, so a call that may have arrived is made again too",
      ),
  }),
  output: z.object({
    message: z.unknown().describe("A unary method's answer; null of a server stream"),
    messages: z.array(z.unknown()).nullable().describe("A server stream's; null of a unary method"),
    ended_by: z.enum(["status", "cap"]).describe("cap: the stream had more"),
    headers: z.record(z.string(), z.string()),
    trailers: z.record(z.string(), z.string()),
    duration_ms: z.int(),
  }),
  example: {
    target: "grpcs://grpcb.in:9001",
    method: "hello.HelloService/SayHello",
    message: { greeting: "world" },
  },
});
