import { createRoute } from "@hono/zod-openapi";
import { readySchema } from "@tl-engine/contract";
import type { Endpoint } from "../endpoint.ts";
import { json, publicProblemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /readyz: the process is able to work; says why not, and what it does without. */
export const readyz: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/readyz",
    operationId: "getReadiness",
    summary: "Whether the process is able to work",
    tags: ["Service"],
    security: [],
    responses: {
      200: json("It is, maybe degraded", readySchema),
      503: json("It is not, with the reasons", readySchema),
      ...publicProblemsOf(),
    },
  }),
  access: "public",
  async handle(c, { readiness }) {
    readQuery(c, []);
    const ready = await readiness();
    return c.json(ready, ready.status === "ready" ? 200 : 503);
  },
};
