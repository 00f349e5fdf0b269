import { z } from "zod";
import { durationSchema, formatDuration, parseDuration } from "./duration.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

function msOf(text: string): number {
  return parseDuration(text) ?? NaN;
}

/** A duration within bounds, ms. */
function between(minMs: number, maxMs: number) {
  return durationSchema.refine(
    (text) => {
      const ms = parseDuration(text);
      // What is no duration has been said already.
      return ms === null || (ms >= minMs && ms <= maxMs);
    },
    `must be from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`,
  );
}

export const connectionTimeoutsSchema = z
  .strictObject({
    connect: between(1, 30 * second).default("5s"),
    first_byte: between(1, 24 * hour)
      .default("30s")
      .meta({ description: "From the request's last byte to the answer's first" }),
    total: between(1, 24 * hour)
      .default("30s")
      .meta({ description: "Of one try, redirects and body included" }),
  })
  .meta({ id: "ConnectionTimeouts", description: "Bounds of one try" });

export const connectionRetrySchema = z
  .strictObject({
    max_retries: z
      .int()
      .min(0)
      .max(10)
      .default(0)
      .meta({ description: "Tries after the first one, within one attempt; 0: none" }),
    initial: between(1, hour).default("200ms"),
    max: between(1, hour).default("5s"),
    max_retry_after: between(0, hour).default("60s").meta({
      description: "A longer Retry-After parks the execution; its slot is free meanwhile",
    }),
  })
  .refine((retry) => msOf(retry.initial) <= msOf(retry.max), {
    path: ["max"],
    message: "must not be shorter than initial",
  })
  .meta({ id: "ConnectionRetry" });

export const connectionBreakerSchema = z
  .strictObject({
    failures: z.int().min(1).max(10_000).default(5),
    ratio: z
      .number()
      .gt(0, "must be more than 0, and at most 1")
      .max(1, "must be more than 0, and at most 1")
      .default(0.5)
      .meta({ description: "Share of the calls made that have to have failed, besides" }),
    window: between(second, hour).default("30s"),
    open: between(100, hour)
      .default("10s")
      .meta({ description: "Until a probe; doubles with each probe that fails, up to max_open" }),
    max_open: between(100, 24 * hour).default("5m"),
  })
  .refine((breaker) => msOf(breaker.open) <= msOf(breaker.max_open), {
    path: ["max_open"],
    message: "must not be shorter than open",
  })
  .meta({ id: "ConnectionBreaker" });

export const connectionRateSchema = z
  .strictObject({
    limit: z.int().min(1).max(1_000_000),
    per: between(100, 24 * hour).default("1s"),
  })
  .meta({ id: "ConnectionRate", description: "Calls over all workers" });

export const connectionLogSchema = z
  .strictObject({
    bodies: z
      .boolean()
      .default(false)
      .meta({ description: "Keep bodies in the outbound log, capped and redacted" }),
    max_body_bytes: z.int().min(1).max(262_144).default(16_384),
    hide_paths: z.boolean().default(false).meta({
      description:
        "Paths of this connection are secrets (a chat webhook's): no log, error or answer shows them",
    }),
  })
  .meta({ id: "ConnectionLog" });
