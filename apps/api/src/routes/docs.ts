import { createRoute } from "@hono/zod-openapi";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ApiContext, Endpoint } from "../endpoint.ts";
import { publicProblemsOf } from "../openapi-parts.ts";
import { Refusal } from "../problem.ts";
import { readQuery } from "../query.ts";

/** Everything comes from this server, so that the page works offline and nothing else can run in it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  // Swagger UI sets style attributes and draws its icons as data.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>tl-engine API</title>
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const start = `window.onload = () => {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
};
`;

const script = "text/javascript; charset=utf-8";
const fromPackage = (name: string) => () =>
  readFile(new URL(import.meta.resolve(`swagger-ui-dist/${name}`)));

/** The page's parts; nothing else of the package can be asked for. */
const assets = new Map<string, { type: string; read(): Promise<Uint8Array> }>([
  ["start.js", { type: script, read: () => Promise.resolve(Buffer.from(start)) }],
  ["swagger-ui-bundle.js", { type: script, read: fromPackage("swagger-ui-bundle.js") }],
  ["swagger-ui.css", { type: "text/css; charset=utf-8", read: fromPackage("swagger-ui.css") }],
  ["favicon-32x32.png", { type: "image/png", read: fromPackage("favicon-32x32.png") }],
]);

function setHeaders(c: ApiContext, type: string): void {
  c.header("Content-Type", type);
  c.header("Content-Security-Policy", policy);
  c.header("Referrer-Policy", "no-referrer");
}

/** GET /docs: the document for people. */
export const docsPage: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/docs",
    operationId: "getDocs",
    summary: "The API's documentation as a page",
    tags: ["Service"],
    security: [],
    responses: {
      200: { description: "The page", content: { "text/html": { schema: z.string() } } },
      ...publicProblemsOf(),
    },
  }),
  access: "public",
  handle(c) {
    readQuery(c, []);
    setHeaders(c, "text/html; charset=utf-8");
    return c.body(page);
  },
};

/** GET /docs/{asset}: what the page consists of. */
export const docsAsset: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/docs/{asset}",
    operationId: "getDocsAsset",
    summary: "A part of that page",
    tags: ["Service"],
    security: [],
    request: {
      params: z.object({
        asset: z.enum([...assets.keys()] as [string, ...string[]]).meta({ description: "A file" }),
      }),
    },
    responses: { 200: { description: "The file" }, ...publicProblemsOf("not_found") },
  }),
  access: "public",
  async handle(c) {
    const asset = assets.get(c.req.param("asset") ?? "");
    if (asset === undefined) throw new Refusal("not_found", "There is nothing at this address");
    readQuery(c, []);
    setHeaders(c, asset.type);
    return c.body(new Uint8Array(await asset.read()));
  },
};
