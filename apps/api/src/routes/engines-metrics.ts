import { createRoute } from "@hono/zod-openapi";
import { engineIdPattern, engineMetricsListSchema } from "@tl-engine/contract";
import { seesEngine } from "@tl-engine/shared/callers/caller.ts";
import { readEngineFigures } from "@tl-engine/shared/executions/figures.ts";
import { z } from "zod";
import type { Endpoint } from "../endpoint.ts";
import { describeEngineMetrics } from "../engine-figures.ts";
import { engineNotFound } from "../engine-ref.ts";
import { anyCredential, problemsOf } from "../openapi-parts.ts";
import { prefersText } from "../prefers-text.ts";
import { prometheusText } from "../prometheus-text.ts";
import { malformed, readList, readQuery } from "../query.ts";

/** How many engines one request may ask for. */
const maxEngines = 100;

/** GET /api/v1/engines/metrics: figures for tl-plane and for autoscalers. */
export const enginesMetrics: Endpoint = {
  route: createRoute({
    method: "get",
    path: "/api/v1/engines/metrics",
    operationId: "getEngineMetrics",
    summary: "Figures of the engines",
    description:
      "JSON, or Prometheus' text format with `Accept: text/plain`. Throughput and percentiles speak of the last 5 minutes, totals of all time. Engines asked for are present, with zeros where they are not known yet.",
    tags: ["Engines"],
    security: anyCredential,
    request: {
      query: z.object({
        engine: z.string().optional().meta({ description: "Engine ids, comma-separated" }),
      }),
    },
    responses: {
      200: {
        description: "The figures",
        content: {
          "application/json": { schema: engineMetricsListSchema },
          "text/plain": { schema: z.string() },
        },
      },
      ...problemsOf("engine_not_found"),
    },
  }),
  access: "metrics:read",
  async handle(c, deps) {
    const caller = c.get("caller");
    const query = readQuery(c, ["engine"]);
    const asked = readList("engine", query.engine, maxEngines);
    if (asked?.some((id) => !engineIdPattern.test(id)) === true) {
      throw malformed("The query parameter engine lists engine ids without a version");
    }
    if (asked?.some((id) => !seesEngine(caller, id)) === true) throw engineNotFound();
    await deps.catalogue.ready();
    const ids = asked ?? deps.catalogue.ids().filter((id) => seesEngine(caller, id));
    const figures = await readEngineFigures(deps.db.pool, ids);
    const byId = new Map(figures.map((one) => [one.id, one]));
    const engines = ids.map((id) => describeEngineMetrics(id, byId.get(id)));
    c.header("Vary", "Accept, Authorization, X-API-Key, Origin");
    if (!prefersText(c.req.header("accept"))) return c.json({ engines });
    c.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return c.body(prometheusText(engines));
  },
};
