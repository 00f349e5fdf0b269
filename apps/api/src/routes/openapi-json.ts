import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import type { Endpoint } from "../endpoint.ts";
import { jsonText } from "../execution-answer.ts";
import { json, publicProblemsOf } from "../openapi-parts.ts";
import { readQuery } from "../query.ts";

/** GET /openapi.json: what is served, exactly. */
export const openapiJson: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/openapi.json",
    operationId: "getOpenapi",
    summary: "This document",
    tags: ["Service"],
    security: [],
    responses: {
      200: json("OpenAPI 3.1", z.record(z.string(), z.unknown())),
      ...publicProblemsOf(),
    },
  }),
  access: "public",
  handle(c, { openapi }) {
    readQuery(c, []);
    return jsonText(c, 200, openapi());
  },
};
