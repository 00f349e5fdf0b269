import { z } from "zod";
import type { ApiContext } from "./endpoint.ts";
import { Refusal } from "./problem.ts";

const timeSchema = z.iso.datetime({ offset: true });

/** A query or header that cannot be read. */
export function malformed(detail: string): Refusal {
  return new Refusal("malformed_request", detail);
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u001f\u007f]/;

function decode(part: string): string {
  let text: string;
  try {
    text = decodeURIComponent(part.replaceAll("+", " "));
  } catch {
    throw malformed("The query holds a broken percent-encoding");
  }
  if (control.test(text)) throw malformed("The query holds a control character");
  return text;
}

/**
 * The query's parameters. Unknown ones are refused, since one that is mistyped would otherwise be left out in
 * silence, and so are repeated ones, of which nobody knows which counts.
 * @throws Refusal 400
 */
export function readQuery<Name extends string>(
  c: ApiContext,
  known: readonly Name[],
): Partial<Record<Name, string>> {
  const { url } = c.req.raw;
  const start = url.indexOf("?");
  const values: Partial<Record<Name, string>> = {};
  if (start === -1) return values;
  const [text = ""] = url.slice(start + 1).split("#", 1);
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    const parameter = known.find((candidate) => candidate === name);
    if (parameter === undefined) {
      throw malformed(
        known.length === 0
          ? "This address takes no query parameters"
          : `The query parameters of this address are ${known.join(", ")}`,
      );
    }
    if (values[parameter] !== undefined) {
      throw malformed(`The query parameter ${parameter} is there twice`);
    }
    values[parameter] = equals === -1 ? "" : decode(pair.slice(equals + 1));
  }
  return values;
}

/**
 * A whole number in a query.
 * @throws Refusal 400 where it is none, or out of range
 */
export function readInteger(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw malformed(`The query parameter ${name} must be a whole number from ${min} to ${max}`);
}

/**
 * A comma-separated list in a query, without doubles.
 * @throws Refusal 400 where it is empty, has an empty item or more than `max`
 */
export function readList(
  name: string,
  text: string | undefined,
  max: number,
): string[] | undefined {
  if (text === undefined) return undefined;
  const items = [...new Set(text.split(","))];
  if (items.includes("") || items.length > max) {
    throw malformed(`The query parameter ${name} must list 1 to ${max} items, separated by commas`);
  }
  return items;
}

/** How long a page of a list is; @throws Refusal 400 */
export function readLimit(text: string | undefined): number {
  return readInteger("limit", text, 1, 100) ?? 50;
}

/**
 * A time in a query, RFC 3339. A `+` of its offset arrives as a space where it was not encoded.
 * @throws Refusal 400
 */
export function readTime(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const asSent = text.replace(" ", "+");
  if (!timeSchema.safeParse(asSent).success) {
    throw malformed(`The query parameter ${name} must be a time such as 2026-12-24T18:00:00Z`);
  }
  return new Date(asSent);
}
