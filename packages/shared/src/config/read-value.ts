import { formatDuration, parseDuration } from "@tl-engine/contract";
import { z } from "zod";

/** An unset variable and an empty one (as compose files pass them on) are the same. */
const given = z
  .string()
  .optional()
  .transform((text) => text?.trim() || undefined);

/** How one variable's text becomes a value: the value, or what is wrong with the text ("must be …"). */
type Reading<T> = { value: T } | { wrong: string };

/**
 * A variable of the environment. The message of an issue continues the variable's name, so that
 * `PORT` + " must be …" is a sentence.
 */
export function variable<T, D>(fallback: D, read: (text: string) => Reading<T>) {
  return given.transform((text, context): T | D => {
    if (text === undefined) return fallback;
    const reading = read(text);
    if ("value" in reading) return reading.value;
    context.addIssue(reading.wrong);
    return z.NEVER;
  });
}

/** A text from an environment variable that holds no secret, cut so that a message stays one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

export function wholeNumber<D>(fallback: D, min: number, max: number) {
  return variable(fallback, (text): Reading<number> => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return { value };
    const or = fallback === null ? "leave it out" : `leave it out for ${String(fallback)}`;
    return {
      wrong: `must be a whole number from ${min} to ${max}, not ${quoted(text)}; or ${or}.`,
    };
  });
}

/** Seconds, whole or with up to three decimals, as milliseconds. */
export function seconds(fallbackSeconds: number, min: number, max: number) {
  return variable(fallbackSeconds * 1000, (text): Reading<number> => {
    const value = /^[0-9]{1,9}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return { value: Math.round(value * 1000) };
    return {
      wrong: `must be a number of seconds from ${min} to ${max}, not ${quoted(text)}; or leave it out for ${fallbackSeconds}.`,
    };
  });
}

/** A duration as on the wire (`7d`), as milliseconds; null where it is left out. */
export function durationOrNull(minMs: number, maxMs: number, whenLeftOut: string) {
  return variable(null, (text): Reading<number> => {
    const value = parseDuration(text);
    if (value !== null && value >= minMs && value <= maxMs) return { value };
    return {
      wrong: `must be a duration such as 12h or 7d, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, not ${quoted(text)}; or leave it out for ${whenLeftOut}.`,
    };
  });
}

/** A duration as on the wire (`7d`), as milliseconds. */
export function duration(fallbackText: string, minMs: number, maxMs: number) {
  return variable(parseDuration(fallbackText) ?? NaN, (text): Reading<number> => {
    const value = parseDuration(text);
    if (value !== null && value >= minMs && value <= maxMs) return { value };
    return {
      wrong: `must be a duration such as 12h or 7d, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, not ${quoted(text)}; or leave it out for ${fallbackText}.`,
    };
  });
}

/** A comma-separated list; `check` says what is wrong with an item ("must …"), or null. */
export function list<D>(fallback: D, check: (item: string) => string | null) {
  return variable(fallback, (text): Reading<string[]> => {
    const items = text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
    for (const item of items) {
      const wrong = check(item);
      if (wrong !== null) return { wrong };
    }
    return { value: [...new Set(items)] };
  });
}

export function text<D>(fallback: D, pattern: RegExp, must: string) {
  return variable(fallback, (value): Reading<string> => {
    return pattern.test(value) ? { value } : { wrong: `must be ${must}, not ${quoted(value)}.` };
  });
}

/** A URL that may hold a password, and is therefore never repeated in a message. */
export function secretUrl(protocols: readonly string[], example: string) {
  return variable(null, (value): Reading<string> => {
    const url = URL.parse(value);
    if (url && protocols.includes(url.protocol)) return { value };
    return { wrong: `must be a connection string such as ${example}.` };
  });
}

export function oneOf<const T extends string>(fallback: T, words: readonly T[]) {
  return variable(fallback, (value): Reading<T> => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return { value: word };
    return { wrong: `must be one of ${words.join(", ")}, not ${quoted(value)}.` };
  });
}
