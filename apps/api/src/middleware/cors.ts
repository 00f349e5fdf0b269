import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../api-env.ts";

const exposed = [
  "Location",
  "Retry-After",
  "ETag",
  "X-Request-Id",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
  "RateLimit",
  "RateLimit-Policy",
  "Idempotency-Replayed",
  "Preference-Applied",
].join(", ");

const allowedHeaders = [
  "Authorization",
  "X-API-Key",
  "Content-Type",
  "Idempotency-Key",
  "If-None-Match",
  "Prefer",
  "X-Request-Id",
  "traceparent",
].join(", ");

/**
 * Lets pages of the configured origins call the API (no cookies are used, so no credentials mode). A preflight is
 * answered here: it carries no credential and costs nothing.
 * @param origins exact origins such as `https://app.example.com`; `*` lets in all
 * @param methodsAt what may be called at a path, null where there is no such path
 */
export function cors(
  origins: readonly string[],
  methodsAt: (path: string) => string | null,
): MiddlewareHandler<ApiEnv> {
  const known = new Set(origins);
  return async function cors(c, next) {
    const origin = c.req.header("origin");
    const allowed = origin !== undefined && (known.has(origin) || known.has("*"));
    if (allowed) {
      c.header("Access-Control-Allow-Origin", known.has("*") ? "*" : origin);
      c.header("Access-Control-Expose-Headers", exposed);
    }
    const preflight =
      c.req.method === "OPTIONS" &&
      origin !== undefined &&
      c.req.header("access-control-request-method") !== undefined;
    const methods = preflight ? methodsAt(c.req.path) : null;
    if (methods === null) return next();
    c.header("Vary", "Origin");
    if (allowed) {
      c.header("Access-Control-Allow-Methods", methods);
      c.header("Access-Control-Allow-Headers", allowedHeaders);
      c.header("Access-Control-Max-Age", "600");
    }
    return c.body(null, 204);
  };
}
