import { createHash } from "node:crypto";

/**
 * The key that an engine's context gives for the same step: the same in every try and attempt of an execution, readable
 * where the step fits a header.
 */
export function idempotencyKeyOf(executionId: string, step: string): string {
  const readable = /^[A-Za-z0-9._:-]{1,48}$/.test(step);
  const name = readable ? step : createHash("sha256").update(step).digest("hex").slice(0, 40);
  return `${executionId}/${name}`;
}
