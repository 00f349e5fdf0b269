import fc, { type Arbitrary } from "fast-check";
import type { Mutation } from "./mutation.ts";
import { oddText } from "./odd-values.ts";
import { withHeader, withoutHeader } from "./wire-request.ts";

const json = "application/json";
/** Values that mean something to the header; odd texts come besides. */
const dictionary: Readonly<Record<string, readonly string[]>> = {
  "Content-Type": [
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    `${json}; charset=utf-8`,
    `${json};charset="UTF-8"`,
    `${json}; charset=utf-16`,
    "application/JSON",
    `${json}; charset=utf-8; charset=utf-8`,
    `${json}, ${json}`,
    `${json};`,
    `${json} ; `,
    "text/json",
    "application/merge-patch+json",
    "application/problem+json",
    "*/*",
    `${json}; q=1`,
    `${json}x`,
  ],
  "Content-Encoding": [
    "gzip",
    "identity",
    "IDENTITY",
    "br, gzip",
    "",
    "chunked",
    "x",
    "identity, identity",
  ],
  "Content-Language": ["en"],
  "Idempotency-Key": [
    '""',
    '"',
    '"a',
    'a"',
    "a b",
    "a,b",
    "key-1",
    '"key-1"',
    String.raw`"a\"b"`,
    String.raw`"a\\"`,
    "x".repeat(255),
    "x".repeat(256),
    `"${"x".repeat(255)}"`,
    "\u00e9",
    "'",
    "%00",
    "key-1/0",
  ],
  Prefer: [
    "wait=0",
    "wait=-1",
    "wait=1.5",
    "wait=",
    "wait",
    'wait="1"',
    "wait=1;x=y",
    "WAIT=1",
    "wait = 1",
    "wait=1, wait=60",
    "respond-async",
    ",,,",
    "wait=99999999999999999999",
    "return=minimal, wait=1",
  ],
  "If-None-Match": [
    "*",
    '"',
    'W/""',
    '""',
    "W/*",
    '"a", "b"',
    "abc",
    'w/"a"',
    ",",
    '"\u00ff"',
    `"${"x".repeat(5_000)}"`,
  ],
  "If-Match": ["*", '"x"'],
  "If-Modified-Since": ["Thu, 01 Jan 1970 00:00:00 GMT", "never"],
  Range: ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=9-1", "rows=1-2", "bytes=0-0,0-0,0-0"],
  Accept: [
    "*/*",
    "text/plain",
    "application/json",
    "text/plain;q=0",
    "text/html",
    ";;q=x",
    "",
    "a/b;q=2",
    "text/plain;q=0.5, application/json;q=0.4",
    "application/openmetrics-text; version=1.0.0",
    "text/*",
  ],
  "Accept-Encoding": ["gzip", "br", "identity;q=0, *;q=0", "gzip;q=x"],
  "Accept-Charset": ["utf-16"],
  Expect: ["100-continue", "100-Continue", "200-ok", "", "100-continue, 100-continue"],
  "X-Request-Id": [
    "a",
    "x".repeat(128),
    "x".repeat(129),
    "a b",
    "a\tb",
    "",
    "<script>",
    "\u00e9",
    "a,b",
    "../x",
  ],
  traceparent: [
    `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    `00-${"0".repeat(32)}-${"b".repeat(16)}-01`,
    `ff-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    `00-${"A".repeat(32)}-${"b".repeat(16)}-01`,
    `00-${"a".repeat(32)}-${"b".repeat(16)}-01-x`,
    "00",
  ],
  tracestate: ["a=b", "=".repeat(600)],
  Origin: ["https://app.example.com", "null", "https://evil.example", "x"],
  "Access-Control-Request-Method": ["POST", "get", ""],
  "Access-Control-Request-Headers": ["x-api-key", "*", ",".repeat(500)],
  "X-HTTP-Method-Override": ["DELETE"],
  "X-Forwarded-For": ["127.0.0.1", "::1, 10.0.0.1"],
  "X-Forwarded-Host": ["evil.example"],
  "X-Forwarded-Proto": ["https", "javascript"],
  Forwarded: ['for="[::1]";host=evil.example'],
  "X-Original-URL": ["/api/v1/keys"],
  Connection: ["close", "keep-alive", "x-api-key", "close, x-api-key, authorization"],
  "Keep-Alive": ["timeout=0"],
  TE: ["trailers", "gzip"],
  Trailer: ["Content-Length"],
  Upgrade: ["websocket", "h2c"],
  Host: ["example.com", "localhost:0", "a.example:65535", "[::1]", "EXAMPLE.com"],
  Cookie: ["a=b", "__proto__=1"],
  "Cache-Control": ["no-cache", "only-if-cached"],
  "Last-Event-ID": ["1"],
  ["__proto__"]: ["1"],
  constructor: ["1"],
};

/** As a header can carry it: bytes, no line end. */
function carried(text: string): string {
  return Buffer.from(text.toWellFormed(), "utf8")
    .toString("latin1")
    .replaceAll(/[\r\n\0]/g, "");
}

const values = (name: string): Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...(dictionary[name] ?? [""])) },
    // What an odd Host leads to is looked at apart.
    ...(name === "Host" ? [] : [{ weight: 1, arbitrary: oddText.map(carried) }]),
  );
const named = fc
  .constantFrom(...Object.keys(dictionary))
  .chain((name) => fc.tuple(fc.constant(name), values(name)));

const set: Arbitrary<Mutation> = named.map(([name, value]) => ({
  name: `header: ${name}: ${value.slice(0, 60)}`,
  apply: (request) => withHeader(withoutHeader(request, name), name, value),
}));
const add: Arbitrary<Mutation> = named.map(([name, value]) => ({
  name: `header too: ${name}: ${value.slice(0, 60)}`,
  // A second Host is a matter of framing.
  apply: (request) => (name === "Host" ? request : withHeader(request, name, value)),
}));
const remove: Arbitrary<Mutation> = fc
  .constantFrom("Content-Type", "X-API-Key", "Authorization", "Idempotency-Key")
  .map((name) => ({
    name: `no header ${name}`,
    apply: (request) => withoutHeader(request, name),
  }));
const respell: Arbitrary<Mutation> = fc.constantFrom("upper", "lower").map((how) => ({
  name: `header names in ${how} case`,
  apply: (request) => ({
    ...request,
    headers: request.headers.map(([name, value]) => [
      how === "upper" ? name.toUpperCase() : name.toLowerCase(),
      value,
    ]),
  }),
}));
const pad: Arbitrary<Mutation> = fc.constantFrom(" ", "\t ", "").map((space) => ({
  name: "white space around header values",
  apply: (request) => ({
    ...request,
    headers: request.headers.map(([name, value]) => [name, `${space}${value}${space}`]),
  }),
}));
const flood: Arbitrary<Mutation> = fc.constantFrom(50, 200, 900).map((count) => ({
  name: `${count} headers more`,
  apply: (request) => ({
    ...request,
    headers: [
      ...request.headers,
      ...Array.from({ length: count }, (_, n) => [`X-${n}`, "1"] as const),
    ],
  }),
}));

/** Changes of headers other than those that frame the body. */
export const headerMutations = fc.oneof(
  { weight: 6, arbitrary: set },
  { weight: 3, arbitrary: add },
  { weight: 1, arbitrary: remove },
  { weight: 1, arbitrary: respell },
  { weight: 1, arbitrary: pad },
  { weight: 1, arbitrary: flood },
);

/** Other methods, also ones that nobody knows. */
export const methodMutations: Arbitrary<Mutation> = fc
  .constantFrom(
    "HEAD",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "PURGE",
    "M-SEARCH",
    "get",
    "Post",
    "FOO",
    "GETX",
    "__PROTO__",
    "HEAD",
  )
  .map((method) => ({ name: `method ${method}`, apply: (request) => ({ ...request, method }) }));
