import { parseDuration } from "@tl-engine/contract";
import { InvalidArgumentError } from "commander";

// What commander calls for an option's text; an InvalidArgumentError becomes a usage error that names the option.

/** A duration, given on as it was written. */
export function durationOption(text: string): string {
  if (parseDuration(text) === null) {
    throw new InvalidArgumentError("It must be a duration such as 500ms, 30s, 15m, 24h or 7d.");
  }
  return text;
}

/** A point in time: a date, or a duration from now. */
export function timeOption(text: string): Date {
  const fromNow = parseDuration(text);
  if (fromNow !== null) return new Date(Date.now() + fromNow);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError(
      "It must be a time such as 2027-01-31T12:00:00Z, or a duration from now such as 30d.",
    );
  }
  return time;
}

/** A point in time in the past: a date, or a duration ago. */
export function pastTimeOption(text: string): Date {
  const ago = parseDuration(text);
  return ago === null ? timeOption(text) : new Date(Date.now() - ago);
}

/** A whole number above zero. */
export function countOption(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** A whole number above zero, or `none` (commander takes a null for a missing value). */
export function countOrNoneOption(text: string): number | "none" {
  return text === "none" ? text : countOption(text);
}

/** An option that may be there several times. */
export function repeatedOption(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** `name=value`, several times. */
export function pairOption(
  text: string,
  before: readonly [string, string][] | undefined,
): [string, string][] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("It must be name=value.");
  return [...(before ?? []), [text.slice(0, equals), text.slice(equals + 1)]];
}

/** An idempotency key: what a header can carry. */
export function keyOption(text: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) {
    throw new InvalidArgumentError("It must be 1 to 255 characters of ASCII, without spaces.");
  }
  return text;
}
