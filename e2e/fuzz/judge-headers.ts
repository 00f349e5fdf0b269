import type { KnownCaller } from "./callers.ts";
import { headerOf, type HttpAnswer } from "./http-answer.ts";
import type { Place } from "./place.ts";
import { headerValues, type WireRequest } from "./wire-request.ts";

const rate = [
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "ratelimit",
  "ratelimit-policy",
];
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Headers that the document describes where they may come. */
const described = [
  ...rate,
  "location",
  "etag",
  "retry-after",
  "idempotency-replayed",
  "preference-applied",
  "www-authenticate",
];

/** Looks at the headers that the contract promises. @returns what is wrong, as sentences */
export function judgeHeaders(
  request: WireRequest,
  place: Place,
  caller: KnownCaller | null,
  answer: HttpAnswer,
  unread: boolean,
): string[] {
  const wrong: string[] = [];
  const is = (name: string): string | undefined => headerOf(answer, name);
  const want = (name: string, pattern: RegExp): void => {
    if (!pattern.test(is(name) ?? "")) wrong.push(`${name} is ${is(name)}`);
  };
  for (const [name, values] of answer.headers) {
    if (values.length > 1) wrong.push(`${name} is there ${values.length} times`);
  }
  if (answer.headers.has("x-powered-by") || answer.headers.has("server"))
    wrong.push("says what it runs on");
  if (answer.headers.has("x-injected")) wrong.push("has a header of the caller's");
  want("x-content-type-options", /^nosniff$/);

  const [own, ...others] = headerValues(request, "x-request-id").map((value) => value.trim());
  const echoed =
    !unread && own !== undefined && others.length === 0 && /^[A-Za-z0-9._:-]{1,128}$/.test(own);
  if (echoed && is("x-request-id") !== own)
    wrong.push(`x-request-id ${own} came back as ${is("x-request-id")}`);
  if (!echoed) want("x-request-id", uuid);
  if (unread) {
    want("cache-control", /^no-store$/);
    return wrong;
  }

  if (answer.status !== 204 || place.kind === "operation") {
    // By an odd path it may be anything that is served.
    const mayLast =
      place.kind === "odd" || (place.kind === "operation" && place.operation.responses.has(304));
    const lasts = mayLast && is("etag") !== undefined && answer.status < 400;
    want("cache-control", lasts ? /^(?:private, no-cache|no-store)$/ : /^no-store$/);
    if (lasts && place.kind === "operation") want("cache-control", /^private, no-cache$/);
    want("vary", /Authorization, X-API-Key, Origin$/);
  }
  if (answer.status === 401) want("www-authenticate", /Bearer/);
  if (answer.status === 429) want("retry-after", /^[1-9]\d*$/);
  if (place.kind !== "operation") return wrong;

  const { operation } = place;
  const counts =
    !["none", "own"].includes(operation.credential) &&
    caller !== null &&
    caller.limit !== "unlimited";
  const present = rate.filter((name) => answer.headers.has(name));
  if (counts && answer.status !== 401) {
    if (present.length !== rate.length) wrong.push(`has of the rate headers ${present.join(", ")}`);
    else if (Number(is("x-ratelimit-remaining")) > Number(is("x-ratelimit-limit")))
      wrong.push("has more left than there is");
  } else if (present.length > 0)
    wrong.push(`has rate headers that speak of nobody: ${present.join(", ")}`);

  const documented = operation.responses.get(answer.status)?.headers;
  if (documented !== undefined) {
    for (const name of described) {
      if (answer.headers.has(name) && !documented.has(name))
        wrong.push(`${name} is not documented here`);
    }
    const always = answer.status < 300 ? ["location"] : answer.status === 304 ? ["etag"] : [];
    for (const name of always) {
      if (documented.has(name) && !answer.headers.has(name)) wrong.push(`${name} is missing`);
    }
  }
  return wrong;
}
