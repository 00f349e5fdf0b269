import type { CheckBody } from "./answer-schemas.ts";
import type { Place } from "./place.ts";
import { headerValues, type WireRequest } from "./wire-request.ts";

const maxDepth = 64;
const maxBytes = 1_048_576;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Holds the body of a request that was taken to the contract's rules, read once more and more slowly than the API does.
 *
 * @returns why it had to be refused, as sentences
 */
export function judgeTaken(request: WireRequest, place: Place, checkBody: CheckBody): string[] {
  const { body } = request;
  if (body === null || body.length === 0 || place.kind !== "operation") return [];
  const { operation } = place;
  if (request.method === "GET" || request.method === "HEAD") return [];
  const wrong: string[] = [];
  if (body.length > maxBytes) wrong.push("its body is too large");
  if (!/^application\/json\b/i.test(headerValues(request, "content-type").join().trim())) {
    wrong.push("its body is of no JSON type");
  }
  if (headerValues(request, "content-encoding").some((one) => !/^\s*identity\s*$/i.test(one))) {
    wrong.push("its body is coded");
  }
  let value: unknown;
  try {
    const text = utf8.decode(body);
    if (depthOf(text) > maxDepth) wrong.push("its body is nested too deep");
    value = JSON.parse(text, (name: string, member: unknown, context?: { source?: string }) => {
      if (!isGood(name) || !isGood(member, context?.source))
        wrong.push("its body holds a bad value");
      return member;
    });
  } catch {
    return [...wrong, "its body is no JSON"];
  }
  const found =
    operation.body === null
      ? JSON.stringify(value) === "{}"
        ? null
        : "it takes no body"
      : checkBody.ofRequest(operation.path, operation.method, value);
  if (found !== null) wrong.push(`its body does not fit the document: ${found}`);
  return wrong.map((what) => `was taken, though ${what}`);
}

function isGood(value: unknown, source?: string): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\u0000");
  if (typeof value !== "number") return true;
  const isInteger = /^-?\d+$/.test(source ?? "");
  return Number.isFinite(value) && (!isInteger || Number.isSafeInteger(value));
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const bracket of text.replaceAll(/"(?:\\.|[^"\\])*"/g, "").match(/[[\]{}]/g) ?? []) {
    depth += "[{".includes(bracket) ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}
