import { z } from "zod";

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const pattern = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration as it is written on the wire: `500ms`, `30s`, `15m`, `24h`, `7d`.
 * @returns null where the text is no duration
 */
export function parseDuration(text: string): number | null {
  const match = pattern.exec(text);
  if (!match) return null;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}

/** The shortest exact wire form of a number of milliseconds: 90_000 becomes `90s`, 60_000 `1m`. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (whole > 0 && whole % unitMs[unit] === 0) return `${whole / unitMs[unit]}${unit}`;
  }
  return `${whole}ms`;
}

/** A duration member of a request or an answer. */
export const durationSchema = z
  .string()
  .regex(pattern, "must be a duration such as 500ms, 30s, 15m, 24h or 7d")
  .meta({ description: "A duration: a whole number and ms, s, m, h or d", example: "30s" });
