import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** The API's figures. `route` is an endpoint's path with its placeholders: never a path as it was asked for. */
export function createApiMetrics(registry: Registry) {
  const registers = [registry];
  return {
    httpRequests: new Counter({
      name: "tl_http_requests_total",
      help: "Answered requests.",
      labelNames: ["method", "route", "status"],
      registers,
    }),
    httpRequestDuration: new Histogram({
      name: "tl_http_request_duration_seconds",
      help: "Time from a request's arrival to its answer, without the time that it asked to wait.",
      labelNames: ["method", "route"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    executionsAccepted: new Counter({
      name: "tl_executions_accepted_total",
      help: "Executions recorded; replays are not among them.",
      labelNames: ["engine"],
      registers,
    }),
    rateLimitLocal: new Gauge({
      name: "tl_rate_limit_local",
      help: "1 while this process counts rate limits alone, because Redis is away.",
      registers,
    }),
  };
}

export type ApiMetrics = ReturnType<typeof createApiMetrics>;
