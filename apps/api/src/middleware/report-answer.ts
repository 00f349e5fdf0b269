import type { MiddlewareHandler } from "hono";
import type { ApiDeps } from "../api-deps.ts";
import type { ApiEnv } from "../api-env.ts";

/** Tells of each request once, when it is answered: one wide line. Never a header, a query or a body. */
export function reportAnswer({ reportAnswer }: ApiDeps): MiddlewareHandler<ApiEnv> {
  return async function report(c, next) {
    const startedAt = performance.now();
    await next();
    reportAnswer({
      requestId: c.get("requestId"),
      method: c.req.method,
      route: c.get("route") ?? null,
      status: c.res.status,
      durationMs: performance.now() - startedAt,
      waitedMs: c.get("waitedMs") ?? 0,
      caller: c.get("caller")?.id ?? null,
      code: c.get("problem") ?? null,
      executionId: c.get("executionId") ?? null,
    });
  };
}
