import { createRoute } from "@hono/zod-openapi";
import { healthSchema } from "@tl-engine/contract";
import type { Endpoint } from "../endpoint.ts";
import { json, publicProblemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /healthz: the process is alive. */
export const healthz: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/healthz",
    operationId: "getHealth",
    summary: "Whether the process is alive",
    tags: ["Service"],
    security: [],
    responses: { 200: json("It is", healthSchema), ...publicProblemsOf() },
  }),
  access: "public",
  handle(c) {
    readQuery(c, []);
    return c.json({ status: "ok" });
  },
};
