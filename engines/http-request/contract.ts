import { defineContract, z } from "@tl-engine/engine-kit";

const MIB = 1024 * 1024;
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const statusClass = z.enum(["1xx", "2xx", "3xx", "4xx", "5xx"]);

export const httpRequestContract = defineContract({
  id: "http.request",
  version: 1,
  title: "HTTP request",
  description:
    "Calls an HTTP API and gives back its answer. Private addresses are refused. Every call is on record.",
  input: z.object({
    method: z
      .enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
      .default("GET"),
    connection: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be the id of a connection")
      .optional()
      .describe("Id of the connection to call through, whose credentials and rules apply"),
    url: z
      .string()
      .max(8192)
      .regex(
        /^([hH][tT][tT][pP][sS]?:\/\/[^\s/?#@\\]+([/?#][^\s]*)?|\/([^\s/\\][^\s\\]*)?)$/u,
        "must be an absolute http or https URL, or with a connection a path such as /contacts",
      )
      .describe(
        "Absolute http or https URL, without credentials in it; with a connection: a path below its base URL",
      ),
    query: z
      .record(z.string(), z.union([scalar, z.array(scalar)]))
      .optional()
      .describe("Added to the URL's query, encoded; a list repeats its name"),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .describe("Latin-1 values. Host, Content-Length and hop-by-hop headers are refused"),
    json: z.unknown().optional().describe("Body, sent as application/json. Not together with text"),
    text: z
      .string()
      .optional()
      .describe("Body, sent as text/plain unless headers say otherwise. Not together with json"),
    protobuf: z
      .strictObject({
        descriptor_set: z
          .string()
          .regex(/^[A-Za-z0-9+/]*={0,2}$/, "must be base64")
          .optional()
          .describe(
            "A FileDescriptorSet (protoc --include_imports --descriptor_set_out) in base64",
          ),
        proto: z
          .record(z.string().max(256), z.string())
          .optional()
          .describe(".proto texts by the names under which they import one another"),
        request: z
          .string()
          .max(400)
          .optional()
          .describe("package.Message: json is encoded as one, and sent as application/x-protobuf"),
        response: z
          .string()
          .max(400)
          .optional()
          .describe("package.Message: an answer of a Protocol Buffers type is decoded as one"),
      })
      .optional()
      .describe(
        "Protocol Buffers in place of JSON on the wire, by a descriptor set or .proto texts",
      ),
    timeout: z
      .string()
      .regex(/^[1-9][0-9]{0,8}(ms|s|m|h)$/, "must be a duration such as 500ms, 30s or 5m")
      .optional()
      .describe(
        "For the whole call, redirects and body included. Default: 30s, or what the connection says",
      ),
    follow_redirects: z
      .boolean()
      .default(true)
      .describe("Up to 3; to another origin without credentials. false: the 3xx is the answer"),
    accept_status: z
      .union([z.literal("any"), z.array(z.union([z.int().min(100).max(599), statusClass])).min(1)])
      .optional()
      .describe(
        'Statuses that succeed: any, or a list such as [200, 404, "5xx"]. Default: below 400',
      ),
    idempotent: z
      .boolean()
      .optional()
      .describe(
        "The other side does nothing twice for one Idempotency-Key, so a POST or PATCH that may have arrived is tried again too",
      ),
    response: z
      .enum(["auto", "json", "text", "base64"])
      .default("auto")
      .describe("How the body is given; auto decides by Content-Type"),
    max_response_bytes: z
      .int()
      .min(1)
      .max(5 * MIB)
      .default(5 * MIB)
      .describe("Cap on the decompressed body; a larger one is cut and fails"),
  }),
  output: z.object({
    status: z.int(),
    url: z.string().describe("Where the answer came from, after redirects"),
    headers: z.record(z.string(), z.string()).describe("Lower-case names"),
    body: z.unknown().describe("JSON, text, base64, or null where there was none"),
    body_encoding: z.enum(["json", "text", "base64", "none"]),
    bytes: z.int().describe("Length of the decompressed body"),
    duration_ms: z.int(),
    redirects: z.int().describe("How many were followed"),
  }),
  example: {
    url: "https://api.github.com/repos/nodejs/node",
    headers: { accept: "application/json" },
  },
});
