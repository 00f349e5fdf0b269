import fc, { type Arbitrary } from "fast-check";
import type { Mutation } from "./mutation.ts";
import { edgeJson, oddText, oddValue } from "./odd-values.ts";
import type { WireRequest } from "./wire-request.ts";

/** Stands in a parsed body where a text that no serialiser writes goes in. */
const mark = "\u{f0000}mark";
const markText = JSON.stringify(mark);

/** Deepest place that is changed: a body of an earlier change may be nested without end. */
const deepest = 20;

/** All places of a value: the value itself, then its members, depth first. */
function placesOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  const here = [[...path]];
  if (path.length === deepest) return here;
  if (Array.isArray(value)) {
    return [...here, ...value.flatMap((member, at) => placesOf(member, [...path, at]))];
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value);
    return [...here, ...members.flatMap(([name, member]) => placesOf(member, [...path, name]))];
  }
  return here;
}

/** Rewrites a JSON body; one that is none, or nested too deep for us by an earlier change, stays as it is. */
function rewrite(request: WireRequest, change: (root: unknown) => string | null): WireRequest {
  if (request.body === null) return request;
  try {
    const text = change(JSON.parse(request.body.toString("utf8")));
    return text === null ? request : { ...request, body: Buffer.from(text, "utf8") };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return request;
    throw error;
  }
}

/** The body with something else at the n-th of its places. */
function replaced(root: unknown, n: number, make: (old: unknown) => string): string {
  const places = placesOf(root);
  const path = places[n % places.length] ?? [];
  let old: unknown = root;
  for (const step of path) old = (old as Record<string | number, unknown>)[step];
  const text = make(old);
  if (path.length === 0) return text;
  const copy = structuredClone(root);
  let parent = copy as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) parent = parent[step] as typeof parent;
  parent[path.at(-1) ?? ""] = mark;
  return JSON.stringify(copy).replace(markText, () => text);
}

/** A member more in the n-th of its objects. */
function withMember(root: unknown, n: number, member: string): string | null {
  const places = placesOf(root);
  const objects = places.filter((path) => {
    let value: unknown = root;
    for (const step of path) value = (value as Record<string | number, unknown>)[step];
    return typeof value === "object" && value !== null && !Array.isArray(value);
  });
  const chosen = objects[n % Math.max(1, objects.length)];
  if (chosen === undefined) return null;
  return replaced(root, places.indexOf(chosen), (old) => {
    const text = JSON.stringify(old);
    return text === "{}" ? `{${member}}` : `${text.slice(0, -1)},${member}}`;
  });
}

const place = fc.nat({ max: 200 });
const replace: Arbitrary<Mutation> = fc.tuple(place, oddValue).map(([n, json]) => ({
  name: `body value ${n} is ${json.slice(0, 60)}`,
  apply: (request) => rewrite(request, (root) => replaced(root, n, () => json)),
}));
/** The one member that may be anything, as far as the API goes. */
const input: Arbitrary<Mutation> = fc.oneof(fc.constantFrom(...edgeJson), oddValue).map((json) => ({
  name: `the input is ${json.slice(0, 60)}`,
  apply: (request) =>
    rewrite(request, (root) => {
      if (typeof root !== "object" || root === null || !("input" in root)) return null;
      return JSON.stringify({ ...root, input: mark }).replace(markText, () => json);
    }),
}));
const remove: Arbitrary<Mutation> = place.map((n) => ({
  name: `body member ${n} is missing`,
  apply: (request) =>
    rewrite(request, (root) => {
      const names = typeof root === "object" && root !== null ? Object.keys(root) : [];
      if (names.length === 0) return null;
      const { [names[n % names.length] ?? ""]: _gone, ...rest } = root as Record<string, unknown>;
      return JSON.stringify(rest);
    }),
}));
const memberNames = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "id",
    "caller_id",
    "status",
    "engine",
    "input",
    "options",
    "tags",
    "metadata",
    "name",
    "scopes",
    "callback",
    "Input",
    "key",
    "is_active",
  ),
  oddText,
);
const insert: Arbitrary<Mutation> = fc
  .tuple(place, memberNames, oddValue)
  .map(([n, name, json]) => ({
    name: `body member more: ${JSON.stringify(name.slice(0, 30))}: ${json.slice(0, 40)}`,
    apply: (request) =>
      rewrite(request, (root) => withMember(root, n, `${JSON.stringify(name)}:${json}`)),
  }));
const wrap: Arbitrary<Mutation> = fc
  .tuple(place, fc.constantFrom("[", '{"a":'))
  .map(([n, open]) => ({
    name: `body value ${n} is wrapped in ${open}`,
    apply: (request) =>
      rewrite(request, (root) =>
        replaced(root, n, (old) => `${open}${JSON.stringify(old)}${open === "[" ? "]" : "}"}`),
      ),
  }));

type Bytes = (body: Buffer, n: number) => Buffer;
const text = (part: string): Buffer => Buffer.from(part, "utf8");
const insertAt = (body: Buffer, n: number, bytes: readonly number[]): Buffer => {
  const at = n % (body.length + 1);
  return Buffer.concat([body.subarray(0, at), Buffer.from(bytes), body.subarray(at)]);
};
const byteTricks: readonly [name: string, change: Bytes][] = [
  ["cut", (body, n) => body.subarray(0, n % (body.length + 1))],
  ["empty", () => Buffer.alloc(0)],
  ["white space only", () => text(" \n\t ")],
  ["white space around", (body) => Buffer.concat([text(" \r\n\t"), body, text("\n ")])],
  ["no-break space around", (body) => Buffer.concat([text("\u00a0"), body])],
  ["a byte order mark", (body) => Buffer.concat([text("\ufeff"), body])],
  ["two values", (body) => Buffer.concat([body, body])],
  ["something behind", (body) => Buffer.concat([body, text("x")])],
  ["a NUL behind", (body) => Buffer.concat([body, Buffer.from([0])])],
  ["a comment", (body) => Buffer.concat([text("/* x */"), body])],
  ["single quotes", (body) => text(body.toString("utf8").replaceAll('"', "'"))],
  ["UTF-16", (body) => Buffer.from(body.toString("utf8"), "utf16le")],
  ["Latin-1", (body) => Buffer.from(`${body.toString("utf8")}\u00e9`, "latin1")],
  ["bad UTF-8", (body, n) => insertAt(body, n, [0xff])],
  ["a lone continuation", (body, n) => insertAt(body, n, [0x80])],
  ["an overlong NUL", (body, n) => insertAt(body, n, [0xc0, 0x80])],
  ["a surrogate in UTF-8", (body, n) => insertAt(body, n, [0xed, 0xa0, 0x80])],
  ["beyond Unicode", (body, n) => insertAt(body, n, [0xf4, 0x90, 0x80, 0x80])],
  ["a bare NUL", (body, n) => insertAt(body, n, [0])],
  ["a bracket", (body, n) => insertAt(body, n, [0x5b])],
  ["a backslash", (body, n) => insertAt(body, n, [0x5c])],
  ["a comma", (body, n) => insertAt(body, n, [0x2c])],
  [
    "a bit flipped",
    (body, n) => {
      const copy = Buffer.from(body);
      if (copy.length > 0) copy[n % copy.length]! ^= 1 << (n % 8);
      return copy;
    },
  ],
  ["just the limit", (body) => Buffer.concat([Buffer.alloc(1_048_576 - body.length, " "), body])],
  ["over the limit", (body) => Buffer.concat([Buffer.alloc(1_048_577 - body.length, " "), body])],
];
const bytes: Arbitrary<Mutation> = fc
  .tuple(fc.constantFrom(...byteTricks), fc.nat({ max: 5_000 }))
  .map(([[name, change], n]) => ({
    name: `body: ${name}`,
    apply: (request) =>
      request.body === null ? request : { ...request, body: change(request.body, n) },
  }));

const unasked: Arbitrary<Mutation> = oddValue.map((json) => ({
  name: `a body of its own: ${json.slice(0, 60)}`,
  apply: (request) => ({
    ...request,
    body: text(json),
    headers: [["Content-Type", "application/json"], ...request.headers],
  }),
}));
const none: Arbitrary<Mutation> = fc.constant({
  name: "no body",
  apply: (request: WireRequest) => ({ ...request, body: null, chunked: false }),
});

/** Changes of the body: of its values, and of its bytes. */
export const bodyMutations = fc.oneof(
  { weight: 6, arbitrary: replace },
  { weight: 3, arbitrary: input },
  { weight: 1, arbitrary: remove },
  { weight: 4, arbitrary: insert },
  { weight: 1, arbitrary: wrap },
  { weight: 4, arbitrary: bytes },
  { weight: 1, arbitrary: unasked },
  { weight: 1, arbitrary: none },
);
