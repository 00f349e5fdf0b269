import { randomUUID } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../api-env.ts";

/** What a caller's own id may look like: safe in a header, a log line and a shell. */
const safe = /^[A-Za-z0-9._:-]{1,128}$/;

/** Gives every request an id, the caller's own where it is safe, and every answer `X-Request-Id`. */
export function requestId(): MiddlewareHandler<ApiEnv> {
  return async function requestId(c, next) {
    const given = c.req.header("x-request-id");
    const id = given !== undefined && safe.test(given) ? given : randomUUID();
    c.set("requestId", id);
    c.header("X-Request-Id", id);
    c.header("X-Content-Type-Options", "nosniff");
    await next();
  };
}
