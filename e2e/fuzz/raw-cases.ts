import fc, { type Arbitrary } from "fast-check";
import { bytesOf, type WireRequest } from "./wire-request.ts";
import type { World } from "./world.ts";

/** Bytes that no HTTP client would send, and what may come of them. */
export interface RawCase {
  readonly name: string;
  readonly bytes: Buffer;
  /** As many answers may come as there are here, one for each; true: to a HEAD. */
  readonly heads: readonly boolean[];
  /** Whoever takes it for good would let something be smuggled. */
  readonly mustRefuse: boolean;
  /** A request that is not whole may be left without an answer. */
  readonly mayBeSilent: boolean;
  readonly afterwards: "stay" | "end";
}

/** How many requests these bytes are to be taken for at most, and how. */
interface Expected {
  heads?: readonly boolean[];
  mustRefuse?: boolean;
  mayBeSilent?: boolean;
  afterwards?: "stay" | "end";
}

type Recipe = readonly [name: string, text: string | Buffer, expected?: Expected];

const refused = { mustRefuse: true } as const;
const json = '{"input":1}';

/** Framing, lines, versions and Hosts that are wrong, around a submit by tl-plane and a probe. */
function recipes({ url, callers }: World): Recipe[] {
  const host = new URL(url).host;
  const [name, value] = callers.known[0]!.credential;
  const credential = `${name}: ${value}\r\n`;
  const post = (headers: string, body = json): string =>
    `POST /api/v1/engines/echo/execute HTTP/1.1\r\nHost: ${host}\r\n${credential}Content-Type: application/json\r\n${headers}\r\n${body}`;
  const get = (headers: string, target = "/healthz", version = "HTTP/1.1"): string =>
    `GET ${target} ${version}\r\n${headers}\r\n`;
  const hosted = (headers: string): string => get(`Host: ${host}\r\n${headers}`);
  const length = `Content-Length: ${json.length}\r\n`;
  const chunked = "Transfer-Encoding: chunked\r\n";
  const chunks = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`;
  const smuggled = `0\r\n\r\n${hosted("")}`;

  const lengths = [
    "+11",
    "-1",
    "0x0b",
    "11, 11",
    "11 11",
    "",
    "1e1",
    "99999999999999999999",
    "11;",
    "\u000b11",
    "１１",
  ];
  const codings = [
    "xchunked",
    "chunked, identity",
    "chunked, chunked",
    "chunked;q=1",
    "\u000bchunked",
    "chunked, gzip",
    "identity",
    "gzip",
    "x",
    '"chunked"',
    "chunked\u0000",
    "",
    ",",
  ];
  const hosts = [
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "a@b",
    "[::1",
    "::1",
    "a:99999",
    "a:x",
    "a:-1",
    "a,b",
    "a\\b",
    "<a>",
    "\u00e9",
    ":80",
    "%61",
    "a:80:80",
    "{a}",
    "a'",
    '"a"',
    "x".repeat(9_000),
    "*",
    "..",
    "@",
    "[",
    "http://a",
  ];
  const versions = [
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/9.9",
    "http/1.1",
    "HTTP/1.1x",
    "HTTP/1",
    "HTTPS/1.1",
    "XTTP/1.1",
    "HTTP/11.1",
  ];
  const lines = [
    "no colon",
    ": no name",
    "X : space before the colon",
    " X: folded",
    "X\u0000: 1",
    "X: a\u0000b",
    "X(y): 1",
    "X: a\rb",
    "X\u00e9: 1",
    "X: \u0001",
    "\tX: 1",
    "X@y: 1",
    "[]: 1",
    "X: \u007f",
    "X: a\r\n b",
  ];
  return [
    ["a length and chunks", post(length + chunked, chunks), refused],
    ["chunks and a length", post(chunked + length, chunks), refused],
    ["a length and chunks, the end first", post(length + chunked, smuggled), refused],
    ["two lengths", post(`${length}Content-Length: 5\r\n`), refused],
    ["two lengths alike", post(length + length), refused],
    ["two codings", post(chunked + chunked, chunks), refused],
    ["an obsolete fold in the coding", post("Transfer-Encoding:\r\n chunked\r\n", chunks), refused],
    ["a space before the coding's colon", post("Transfer-Encoding : chunked\r\n", chunks), refused],
    ...lengths.map((text): Recipe => [
      `length ${text}`,
      post(`Content-Length: ${text}\r\n`),
      refused,
    ]),
    ...codings.map((text): Recipe => [
      `coding ${text}`,
      post(`Transfer-Encoding: ${text}\r\n`, chunks),
      refused,
    ]),
    ["a length too short", post("Content-Length: 5\r\n"), { ...refused, heads: [false, false] }],
    ["a length too long", post("Content-Length: 99\r\n"), { mayBeSilent: true, afterwards: "end" }],
    ...[
      "zz\r\n{}\r\n0\r\n\r\n",
      "-1\r\n{}\r\n0\r\n\r\n",
      "fffffffffffffffff\r\n{}",
      " 2\r\n{}\r\n0\r\n\r\n",
      "0x2\r\n{}\r\n0\r\n\r\n",
    ].map((text): Recipe => [`chunk ${text.slice(0, 20)}`, post(chunked, text), refused]),
    ["a chunk without its end", post(chunked, `b\r\n${json}0\r\n\r\n`), refused],
    ["a chunk with bare line feeds", post(chunked, `b\n${json}\n0\n\n`), refused],
    ["a chunk with a bare return", post(chunked, `b\r${json}\r\n0\r\n\r\n`), refused],
    ["a chunk's extension", post(chunked, `b;a="\\"b"\r\n${json}\r\n0\r\n\r\n`)],
    ["a long extension", post(chunked, `b;${"x".repeat(20_000)}\r\n${json}\r\n0\r\n\r\n`), refused],
    ["an extension with a line feed", post(chunked, `b;a\nc\r\n${json}\r\n0\r\n\r\n`), refused],
    ["trailers", post(chunked, `b\r\n${json}\r\n0\r\nContent-Length: 5\r\nX-API-Key: x\r\n\r\n`)],
    [
      "many trailers",
      post(chunked, `b\r\n${json}\r\n0\r\n${"X: 1\r\n".repeat(4_000)}\r\n`),
      refused,
    ],
    ["many small chunks", post(chunked, `${json.replaceAll(/./g, "1\r\n$&\r\n")}0\r\n\r\n`)],
    ["only the last chunk", post(chunked, "0\r\n\r\n"), refused],
    ["no Host", get(""), refused],
    ["two Hosts", get(`Host: ${host}\r\nHost: ${host}\r\n`), refused],
    ["two Hosts of different case", get(`Host: ${host}\r\nhost: x\r\n`), refused],
    ["an empty Host", get("Host:\r\n")],
    ...hosts.map((text): Recipe => [`Host ${text.slice(0, 20)}`, get(`Host: ${text}\r\n`)]),
    ...lines.map((line): Recipe => [`line ${JSON.stringify(line)}`, hosted(`${line}\r\n`)]),
    ...versions.map((text): Recipe => [text, get(`Host: ${host}\r\n`, "/healthz", text), refused]),
    ["HTTP/1.0", get(`Host: ${host}\r\n`, "/healthz", "HTTP/1.0")],
    ["HTTP/1.0 with chunks", post(chunked, chunks).replace("HTTP/1.1", "HTTP/1.0")],
    ["HTTP/1.0 without Host", get("", "/healthz", "HTTP/1.0")],
    ["a request of HTTP/0.9", "GET /healthz\r\n\r\n", refused],
    ["HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused],
    [
      "TLS",
      Buffer.from("16030100050100000100030300000000", "hex"),
      { ...refused, mayBeSilent: true, afterwards: "end" },
    ],
    ["line feeds alone", hosted("").replaceAll("\r\n", "\n"), refused],
    ["empty lines before", `\r\n\r\n${hosted("")}`],
    // A parser may be lenient with them (RFC 9112, 3), and nothing can hide there.
    ["spaces in the request line", hosted("").replace("GET /healthz", "GET  /healthz")],
    ["a space in the target", hosted("").replace("/healthz", "/health z"), refused],
    ["a tab in the request line", hosted("").replace("GET ", "GET\t"), refused],
    ["no target", hosted("").replace("/healthz ", ""), refused],
    ["a NUL in the target", hosted("").replace("/healthz", "/health\u0000z"), refused],
    ["a long target", hosted("").replace("/healthz", `/healthz?${"x".repeat(17_000)}`), refused],
    ["a long header", hosted(`X: ${"x".repeat(17_000)}\r\n`), refused],
    ["many headers", hosted("X: 1\r\n".repeat(2_500)), refused],
    ["a long header name", hosted(`${"x".repeat(17_000)}: 1\r\n`), refused],
    ["a long method", hosted("").replace("GET", "G".repeat(17_000)), refused],
    ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", refused],
    ["CONNECT with a path", `CONNECT /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`, refused],
    ["TRACE", `TRACE /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`, refused],
    ["OPTIONS *", `OPTIONS * HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    [
      "an upgrade to WebSocket",
      hosted(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n",
      ),
    ],
    [
      "an upgrade to HTTP/2",
      hosted("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    ],
    ["an upgrade with a body", post(`Connection: Upgrade\r\nUpgrade: x\r\n${length}`)],
    ["an expectation", post(`Expect: 100-continue\r\n${length}`)],
    [
      "an odd expectation",
      post(`Expect: a-pony\r\n${length}`),
      { ...refused, heads: [false, false] },
    ],
    ["a body behind GET", hosted(length) + json],
    [
      "a request behind GET's length",
      hosted(`Content-Length: 5\r\n`) + hosted(""),
      { heads: [false, false] },
    ],
    ["half a request", hosted("").slice(0, -2), { mayBeSilent: true, afterwards: "end" }],
    ["nothing", "", { heads: [], mayBeSilent: true, afterwards: "end" }],
    [
      "ten requests at once",
      hosted("").repeat(10),
      { heads: Array.from({ length: 10 }, () => false) },
    ],
    [
      "a HEAD among others",
      hosted("") + hosted("").replace("GET", "HEAD") + hosted(""),
      { heads: [false, true, false] },
    ],
    [
      "a bad one behind good ones",
      `${hosted("").repeat(2)}BAD\r\n\r\n`,
      { heads: [false, false, false] },
    ],
    ["a submit behind a submit", post(length) + post(length), { heads: [false, false] }],
    [
      "a request behind a refusal",
      post(length, "x".repeat(json.length)) + hosted(""),
      { heads: [false, false] },
    ],
    [
      "a request behind 413",
      post(`Content-Length: 1048577\r\n`, " ".repeat(1_048_577)) + hosted(""),
      { heads: [false, false] },
    ],
    [
      "a request behind 401",
      post(length).replace(credential, "") + hosted(""),
      { heads: [false, false] },
    ],
    [
      "closing, and one behind",
      hosted("Connection: close\r\n") + hosted(""),
      { heads: [false, false] },
    ],
  ];
}

/** The recipes, good requests that are cut, and noise. */
export function rawCases(world: World, goodOnes: Arbitrary<WireRequest>): Arbitrary<RawCase> {
  const host = new URL(world.url).host;
  const plain = fc
    .constantFrom(...recipes(world))
    .map(([name, text, expected]) => rawCase(name, text, expected));
  const cut = fc.tuple(goodOnes, fc.nat({ max: 100_000 })).map(([request, n]) => {
    const whole = bytesOf(request, host);
    const bytes = whole.subarray(0, n % whole.length);
    return rawCase("a request that is cut", bytes, {
      heads: [request.method === "HEAD"],
      mayBeSilent: true,
      afterwards: "end",
    });
  });
  const noise = fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((bytes) =>
      rawCase("noise", Buffer.from(bytes), { ...refused, mayBeSilent: true, afterwards: "end" }),
    );
  const flipped = fc
    .tuple(goodOnes, fc.nat({ max: 100_000 }), fc.nat({ max: 255 }))
    .map(([request, n, byte]) => {
      const bytes = bytesOf(request, host);
      bytes[n % Math.max(1, bytes.indexOf("\r\n\r\n"))] = byte;
      // A byte of the length may make another request of the rest.
      const heads = [request.method === "HEAD", false, false];
      return rawCase("a byte of the head changed", bytes, {
        heads,
        mayBeSilent: true,
        afterwards: "end",
      });
    });
  return fc.oneof(
    { weight: 6, arbitrary: plain },
    { weight: 2, arbitrary: cut },
    { weight: 2, arbitrary: flipped },
    { weight: 1, arbitrary: noise },
  );
}

function rawCase(
  name: string,
  text: string | Buffer,
  { heads = [false], mustRefuse = false, mayBeSilent = false, afterwards = "stay" }: Expected = {},
): RawCase {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  return { name, bytes, heads, mustRefuse, mayBeSilent, afterwards };
}
