import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../api-env.ts";

/** While the process is shutting down, every answer asks the caller to open his next connection elsewhere. */
export function closing(isClosing: () => boolean): MiddlewareHandler<ApiEnv> {
  return async function closing(c, next) {
    if (isClosing()) c.header("Connection", "close");
    await next();
  };
}
