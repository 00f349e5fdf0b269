import { OpenAPIHono } from "@hono/zod-openapi";
import type { Endpoint } from "./endpoint.ts";
import { answerHeaders, withCommonHeaders } from "./openapi-headers.ts";

/** The OpenAPI 3.1 document of the endpoints, as text: made of the same schemas that check the requests. */
export function openapiText(endpoints: readonly Endpoint[]): string {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
    description: "tl-plane's key, or a program's: `tlk_…`",
  });
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A front end's token",
  });
  registry.registerComponent("securitySchemes", "completion", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "tlc_…",
    description: "The token that a remote engine's service is given with an execution",
  });
  for (const [name, header] of Object.entries(answerHeaders)) {
    registry.registerComponent("headers", name, header);
  }
  for (const endpoint of endpoints) registry.registerPath(withCommonHeaders(endpoint));
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "tl-engine",
      version: "1",
      description:
        "Submit work over HTTP, get an id that cannot be lost, read the result. Every refusal is an RFC 9457 problem; its codes are in the error catalogue.",
    },
    servers: [{ url: "/", description: "This server" }],
    tags: [
      { name: "Executions", description: "Submit, read and cancel executions" },
      { name: "Webhooks", description: "Who is told of what executions come to" },
      { name: "Outbound calls", description: "What executions sent to the outside" },
      { name: "Engines", description: "What can be executed, its state and its figures" },
      { name: "Keys", description: "Programs' keys; tl-plane alone" },
      { name: "Connections", description: "Ways to reach outside systems; tl-plane alone" },
      { name: "Service", description: "Probes and this document" },
    ],
  });
  return `${JSON.stringify(document, null, 2)}\n`;
}
