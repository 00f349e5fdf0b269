import { createRoute } from "@hono/zod-openapi";
import { keyListSchema } from "@tl-engine/contract";
import { describeKey } from "@tl-engine/shared/keys/key-record.ts";
import { listKeys as list } from "@tl-engine/shared/keys/list-keys.ts";
import { z } from "zod";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Endpoint } from "../endpoint.ts";
import { json, pageQuery, planeCredential, problemsOf } from "../openapi-parts.ts";
import { readLimit, readQuery } from "../query.ts";

const placeForm = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) [0-9A-Za-z]{12}$/;

/** When a key was made, and its id: as `listKeys` writes it, and with a time that there is. */
function keyPlace(text: string): string | null {
  const [, time = ""] = placeForm.exec(text) ?? [];
  const parsed = new Date(time);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString() === time ? text : null;
}

/** GET /api/v1/keys: all keys, newest first, revoked ones too. */
export const listKeys: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/keys",
    operationId: "listKeys",
    summary: "The keys, newest first",
    tags: ["Keys"],
    security: planeCredential,
    request: { query: z.object(pageQuery) },
    responses: { 200: json("A page of keys, without secrets", keyListSchema), ...problemsOf() },
  }),
  access: "keys:admin",
  async handle(c, { db, settings }) {
    const query = readQuery(c, ["cursor", "limit"]);
    const limit = readLimit(query.limit);
    const after = readCursor("keys", query.cursor, keyPlace);
    const { keys, nextPlace } = await list(db, { limit, after });
    return c.json({
      keys: keys.map((record) => describeKey(record, settings.rateLimit)),
      next_cursor: nextPlace === null ? null : makeCursor("keys", nextPlace),
    });
  },
};
