import { Hono } from "hono";
import { answerInTime } from "./answer-in-time.ts";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiEnv } from "./api-env.ts";
import { matchesOneOf } from "./constant-time.ts";
import { endpoints } from "./endpoints.ts";
import { knownPaths } from "./known-paths.ts";
import { cors } from "./middleware/cors.ts";
import { guard } from "./middleware/guard.ts";
import { knownPath } from "./middleware/known-path.ts";
import { reportAnswer } from "./middleware/report-answer.ts";
import { requestId } from "./middleware/request-id.ts";
import { onError } from "./on-error.ts";

/**
 * The HTTP side. A request goes through, top to bottom: its id, the log line at its end, CORS, 404 and 405 of the path,
 * then the endpoint's guard (401, 429, 403) and the endpoint itself.
 */
export function createApp(deps: ApiDeps): Hono<ApiEnv> {
  const paths = knownPaths(endpoints);
  const credentials = {
    isPlaneKey: matchesOneOf(deps.settings.planeApiKeys),
    verifyKey: deps.verifyKey,
    verifyToken: deps.verifyToken,
  };

  const app = new Hono<ApiEnv>();
  app.use(requestId());
  app.use(reportAnswer(deps));
  app.use(cors(deps.settings.corsOrigins, (path) => paths.allow(path)));
  app.use(knownPath(paths));
  for (const endpoint of endpoints) {
    const { method, path } = endpoint.route;
    app.on(
      method.toUpperCase(),
      path.replaceAll(/\{(\w+)\}/g, ":$1"),
      guard(endpoint, credentials, deps),
      (c) => answerInTime(endpoint, c, deps),
    );
  }
  app.onError(onError(deps.reportError));
  return app;
}
