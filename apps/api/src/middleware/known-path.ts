import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../api-env.ts";
import type { KnownPaths } from "../known-paths.ts";
import { Refusal, writeProblem } from "../problem.ts";

const nothing = "There is nothing at this address";
/** Who opens the bare address in a browser looks for the way in. */
const atTheDoor = `${nothing}; what there is is described at /docs, and for programs at /openapi.json`;

/** Answers 404 and 405 of the path before anybody is asked who he is, and names the endpoint for the rest. */
export function knownPath(paths: KnownPaths): MiddlewareHandler<ApiEnv> {
  return async function knownPath(c, next) {
    c.header("Vary", "Authorization, X-API-Key, Origin");
    c.header("Cache-Control", "no-store");
    const found = paths.find(c.req.method, c.req.path);
    if (found === null) throw new Refusal("not_found", c.req.path === "/" ? atTheDoor : nothing);
    if ("allow" in found) {
      c.header("Allow", found.allow);
      if (c.req.method === "OPTIONS") return c.body(null, 204);
      return writeProblem(
        c,
        new Refusal("method_not_allowed", `This address takes ${found.allow}`),
      );
    }
    c.set("route", found.route.path);
    await next();
    return undefined;
  };
}
