import { z } from "zod";
import { remoteEngineSchema } from "./remote-engines.ts";

export const engineStates = ["active", "paused", "no_workers"] as const;
export type EngineState = (typeof engineStates)[number];

/** An engine's state as `/engines/status` tells it. */
export const engineStatusSchema = z
  .object({
    id: z.string(),
    state: z.enum(engineStates),
    queued: z.int(),
    running: z.int(),
    oldest_queued_seconds: z.number(),
    workers: z.int(),
  })
  .meta({ id: "EngineStatus" });
export type EngineStatus = z.infer<typeof engineStatusSchema>;
export const engineStatusListSchema = z
  .object({ engines: z.array(engineStatusSchema) })
  .meta({ id: "EngineStatusList" });

export const engineSummarySchema = z
  .object({
    id: z.string(),
    title: z.string(),
    description: z.string().nullable(),
    versions: z.array(z.int()),
    state: z.enum(engineStates),
  })
  .meta({ id: "EngineSummary" });
export const engineListSchema = z
  .object({ engines: z.array(engineSummarySchema), next_cursor: z.string().nullable() })
  .meta({ id: "EngineList" });

const limited = z.object({ default: z.string(), max: z.string() });

export const engineSchema = engineSummarySchema
  .extend({
    version: z.int(),
    input_schema: z.record(z.string(), z.unknown()),
    output_schema: z.record(z.string(), z.unknown()),
    defaults: z.object({
      timeout: limited,
      ttl: limited,
      max_attempts: z.object({ default: z.int(), max: z.int() }),
      backoff: z.object({ initial: z.string(), factor: z.number(), max: z.string() }),
      concurrency: z.int().nullable(),
      isolation: z.string(),
    }),
    example: z.unknown(),
    remote: remoteEngineSchema
      .optional()
      .meta({ description: "How its service is reached, where it is a remote one; for tl-plane" }),
  })
  .meta({ id: "Engine" });
export type EngineSummary = z.infer<typeof engineSummarySchema>;
export type EngineDetail = z.infer<typeof engineSchema>;

const percentiles = z.object({
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
});

/** An engine's figures; throughput and percentiles speak of the last 5 minutes, totals of all time. */
export const engineMetricsSchema = z
  .object({
    id: z.string(),
    queued: z.int(),
    running: z.int(),
    scheduled: z.int(),
    runnable: z.int(),
    oldest_queued_seconds: z.number(),
    throughput_per_second: z.number(),
    backlog_seconds: z.number(),
    workers: z.int(),
    slots: z.int(),
    desired_workers: z.int(),
    queue_seconds: percentiles,
    run_seconds: percentiles,
    totals: z.object({
      accepted: z.int(),
      succeeded: z.int(),
      failed: z.int(),
      canceled: z.int(),
      expired: z.int(),
    }),
  })
  .meta({ id: "EngineMetrics" });
export type EngineMetrics = z.infer<typeof engineMetricsSchema>;
export const engineMetricsListSchema = z
  .object({ engines: z.array(engineMetricsSchema) })
  .meta({ id: "EngineMetricsList" });
