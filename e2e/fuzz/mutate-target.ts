import { createHash } from "node:crypto";
import fc, { type Arbitrary } from "fast-check";
import { oddText } from "./odd-values.ts";
import type { Mutation } from "./mutation.ts";
import type { WireRequest } from "./wire-request.ts";

function split(target: string): { path: string; query: string | null } {
  const at = target.indexOf("?");
  return at === -1
    ? { path: target, query: null }
    : { path: target.slice(0, at), query: target.slice(at + 1) };
}

function withPath(request: WireRequest, change: (path: string) => string): WireRequest {
  const { path, query } = split(request.target);
  return { ...request, target: change(path) + (query === null ? "" : `?${query}`) };
}

function withQuery(request: WireRequest, change: (pairs: string[]) => string[]): WireRequest {
  const { path, query } = split(request.target);
  const pairs = change(query === null || query === "" ? [] : query.split("&"));
  return { ...request, target: pairs.length === 0 ? path : `${path}?${pairs.join("&")}` };
}

// oxlint-disable-next-line no-control-regex -- what no request line can hold
const unwritable = /[\u0000-\u0020\u007f]/;

/** Encoded so that it arrives, or the bytes themselves where the request line can hold them. */
function spell(text: string, raw: boolean): string {
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  if (raw && !unwritable.test(bytes)) return bytes;
  return encodeURIComponent(text.toWellFormed());
}

const raws = fc.boolean();
const place = fc.nat({ max: 9 });

const segment: Arbitrary<Mutation> = fc.tuple(place, oddText, raws).map(([n, text, raw]) => ({
  name: `path segment ${n} is ${JSON.stringify(text.slice(0, 40))}`,
  apply: (request) =>
    withPath(request, (path) => {
      const segments = path.split("/");
      segments[1 + (n % Math.max(1, segments.length - 1))] = spell(text, raw);
      return segments.join("/");
    }),
}));

const encodeOne = (path: string, n: number, twice: boolean): string => {
  const at = 1 + (n % Math.max(1, path.length - 1));
  const code = `%${path.charCodeAt(at).toString(16)}`;
  return path.slice(0, at) + (twice ? code.replace("%", "%25") : code) + path.slice(at + 1);
};

const tricks: readonly [name: string, change: (path: string, n: number) => string][] = [
  ["a slash behind", (path) => `${path}/`],
  ["a slash in front", (path) => `/${path}`],
  ["double slashes", (path) => path.replaceAll("/", "//")],
  ["a dot segment", (path) => path.replace("/api", "/./api")],
  ["up and down", (path) => path.replace("/api", "/x/../api")],
  ["encoded dots", (path) => `/%2e%2e${path}`],
  ["dots at the end", (path) => `${path}/..`],
  ["a path parameter", (path) => `${path};x=1`],
  ["..;", (path) => `/..;${path}`],
  ["encoded slashes", (path) => path.replaceAll("/", "%2f").replace("%2f", "/")],
  ["one character encoded", (path, n) => encodeOne(path, n, false)],
  ["one character encoded twice", (path, n) => encodeOne(path, n, true)],
  ["upper case", (path) => path.toUpperCase()],
  ["a backslash", (path) => path.replaceAll("/", "\\").replace("\\", "/")],
  ["a broken encoding", (path) => `${path}%`],
  ["an overlong encoding", (path) => `${path}%c0%ae`],
  ["an encoded NUL", (path) => `${path}%00`],
  ["an encoded line end", (path) => `${path}%0d%0aX-Injected:%201`],
  ["a fragment", (path) => `${path}#x`],
  ["an extension", (path) => `${path}.json`],
  ["an absolute target", (path) => `http://example.com${path}`],
  ["an absolute target of another scheme", (path) => `ftp://example.com${path}`],
  ["an asterisk", () => "*"],
  ["no slash", (path) => path.slice(1)],
  ["two slashes and a host", (path) => `//example.com${path}`],
  ["a user", (path) => `http://user:pass@example.com${path}`],
  ["a long path", (path) => `${path}/${"x".repeat(4_000)}`],
  ["many segments", (path) => path + "/a".repeat(2_000)],
];
const trick: Arbitrary<Mutation> = fc
  .tuple(fc.constantFrom(...tricks), fc.nat({ max: 60 }))
  .map(([[name, change], n]) => ({
    name: `path: ${name}`,
    apply: (request) => withPath(request, (path) => change(path, n)),
  }));

const names = fc.constantFrom(
  "execution_id",
  "wait",
  "include",
  "cursor",
  "limit",
  "status",
  "engine",
  "tag",
  "created_after",
  "created_before",
  "bogus",
  "__proto__",
  "constructor",
  "wait[]",
  "Wait",
  "execution%5fid",
  "",
  "%",
  "%00",
  "api_key",
  "access_token",
  "X-API-Key",
);

const setParameter: Arbitrary<Mutation> = fc
  .tuple(names, oddText, raws, fc.constantFrom("set", "add"))
  .map(([name, text, raw, how]) => ({
    name: `query: ${how} ${name}=${JSON.stringify(text.slice(0, 40))}`,
    apply: (request) =>
      withQuery(request, (pairs) => [
        ...(how === "add" ? pairs : pairs.filter((pair) => !pair.startsWith(`${name}=`))),
        `${name}=${spell(text, raw)}`,
      ]),
  }));

/** A cursor whose check is right around a place that no list gave out: the check is no secret. */
function forged(list: string, payload: string): string {
  const check = createHash("sha256").update(`${list}\n`).update(payload, "utf8").digest();
  return Buffer.concat([check.subarray(0, 6), Buffer.from(payload, "utf8")]).toString("base64url");
}
const places = fc.oneof(
  oddText,
  oddText.map((text) => `2026-01-01T00:00:00.000Z ${text}`),
  oddText.map((text) => `${text} AAAAAAAAAAAA`),
);
const forgedCursor: Arbitrary<Mutation> = fc
  .tuple(fc.constantFrom("keys", "engines", "executions"), places)
  .map(([list, text]) => ({
    name: `query: a cursor of ${list} that says ${JSON.stringify(text.slice(0, 60))}`,
    apply: (request) =>
      withQuery(request, (pairs) => [
        ...pairs.filter((pair) => !pair.startsWith("cursor=")),
        `cursor=${forged(list, text)}`,
      ]),
  }));

const changeParameter: Arbitrary<Mutation> = fc
  .tuple(place, oddText, raws)
  .map(([n, text, raw]) => ({
    name: `query value ${n} is ${JSON.stringify(text.slice(0, 40))}`,
    apply: (request) =>
      withQuery(request, (pairs) =>
        pairs.map((pair, at) =>
          at === n % pairs.length ? `${pair.split("=", 1)[0]}=${spell(text, raw)}` : pair,
        ),
      ),
  }));

const queryTricks: readonly [name: string, change: (pairs: string[]) => string[]][] = [
  ["twice", (pairs) => [...pairs, ...pairs]],
  ["empty pairs", (pairs) => ["", ...pairs, "", ""]],
  ["no values", (pairs) => pairs.map((pair) => pair.split("=", 1)[0] ?? "")],
  ["semicolons", (pairs) => [pairs.join(";")]],
  ["upper case", (pairs) => pairs.map((pair) => pair.toUpperCase())],
  ["encoded names", (pairs) => pairs.map((pair) => pair.replace("_", "%5f"))],
  ["an equals sign more", (pairs) => pairs.map((pair) => pair.replace("=", "=="))],
  ["a question mark more", (pairs) => ["?", ...pairs]],
  ["many pairs", (pairs) => [...pairs, ..."a=1&".repeat(1_500).split("&")]],
  ["many empty pairs", (pairs) => [...pairs, ...Array.from({ length: 6_000 }, () => "")]],
  ["a wait", (pairs) => [...pairs, "wait=1"]],
  ["cut values", (pairs) => pairs.map((pair) => pair.slice(0, -1))],
];
const queryTrick: Arbitrary<Mutation> = fc.constantFrom(...queryTricks).map(([name, change]) => ({
  name: `query: ${name}`,
  apply: (request) => withQuery(request, change),
}));

/** Changes of the request line's target: its path, its query, its form. */
export const targetMutations = fc.oneof(
  segment,
  trick,
  setParameter,
  changeParameter,
  queryTrick,
  forgedCursor,
);
