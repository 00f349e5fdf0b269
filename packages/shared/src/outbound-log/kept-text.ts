import { scrubText } from "../log/scrub-text.ts";

// oxlint-disable-next-line no-control-regex -- control characters are what is replaced
const control = /[\u0000-\u001f\u007f-\u009f]/g;

/** A single line of at most so many characters that Postgres can keep; what is no text is none. */
export function keptLine(value: unknown, maxLength: number): string {
  if (typeof value !== "string") return "";
  return value.slice(0, maxLength).toWellFormed().replace(control, "\ufffd");
}

/** The same for a text that may be left out. */
export function keptLineOrNull(value: unknown, maxLength: number): string | null {
  return typeof value === "string" ? keptLine(value, maxLength) : null;
}

/** A body: its lines stay. What looks like a credential of ours, or a bearer's, goes. */
export function keptBody(value: unknown, maxLength: number): string | null {
  if (typeof value !== "string") return null;
  return scrubText(value, maxLength).toWellFormed().replaceAll("\u0000", "\ufffd");
}

/** A whole number within bounds; what is none is `otherwise`. */
export function keptWhole<T>(value: unknown, min: number, max: number, otherwise: T): number | T {
  if (typeof value !== "number" || Number.isNaN(value)) return otherwise;
  return Math.round(Math.min(max, Math.max(min, value)));
}

/** Milliseconds, with three digits behind the point. */
export function keptMs<T>(value: unknown, otherwise: T): number | T {
  if (typeof value !== "number" || !(value >= 0)) return otherwise;
  return Math.round(Math.min(value, 1e12) * 1_000) / 1_000;
}
