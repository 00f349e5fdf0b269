import { createRoute } from "@hono/zod-openapi";
import { engineIdPattern, engineListSchema } from "@tl-engine/contract";
import { seesEngine } from "@tl-engine/shared/callers/caller.ts";
import { z } from "zod";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { describeEngine } from "../engine-view.ts";
import { anyCredential, json, pageQuery, problemsOf } from "../openapi-parts.ts";
import { readLimit, readQuery } from "../query.ts";

const engineId = (text: string) => (engineIdPattern.test(text) ? text : null);

/** GET /api/v1/engines: the engines that exist for this caller. */
export const listEngines: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/engines",
    operationId: "listEngines",
    summary: "The engines",
    tags: ["Engines"],
    security: anyCredential,
    request: { query: z.object(pageQuery) },
    responses: { 200: json("A page of engines, by id", engineListSchema), ...problemsOf() },
  }),
  access: "engines:read",
  async handle(c, { catalogue }) {
    const query = readQuery(c, ["cursor", "limit"]);
    const limit = readLimit(query.limit);
    const after = readCursor("engines", query.cursor, engineId) ?? "";
    await catalogue.ready();
    const ids = catalogue.ids().filter((id) => id > after && seesEngine(c.get("caller"), id));
    const page = ids.slice(0, limit);
    const last = ids.length > limit ? page.at(-1) : undefined;
    return c.json({
      engines: page.flatMap((id) => describeEngine(id, catalogue) ?? []),
      next_cursor: last === undefined ? null : makeCursor("engines", last),
    });
  },
};
