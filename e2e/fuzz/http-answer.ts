/** An HTTP/1.1 answer, read whole. */
export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names, each with its values in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
}

/** Splits what a server sends on one connection into answers (RFC 9112); interim answers are passed over. */
export interface AnswerReader {
  push(chunk: Buffer): void;
  /**
   * The next answer, or null while it is not whole.
   * @param toHead whether it answers a HEAD, and has no body whatever its headers say
   * @throws BadAnswerError where it is not HTTP
   */
  next(toHead: boolean): HttpAnswer | null;
  /** Bytes that belong to no answer yet. */
  rest(): Buffer;
}

/** The server sent what is no HTTP answer. */
export class BadAnswerError extends Error {
  override name = "BadAnswerError";
}

const headEnd = Buffer.from("\r\n\r\n");

/** See {@link AnswerReader}. */
export function createAnswerReader(): AnswerReader {
  let bytes: Buffer = Buffer.alloc(0);
  const next = (toHead: boolean): HttpAnswer | null => {
    const end = bytes.indexOf(headEnd);
    if (end === -1) return null;
    const { status, headers } = readHead(bytes.subarray(0, end).toString("latin1"));
    const start = end + headEnd.length;
    if (status >= 100 && status < 200) {
      bytes = bytes.subarray(start);
      return next(toHead);
    }
    const found = readBody(bytes, start, status, headers, toHead);
    if (found === null) return null;
    bytes = bytes.subarray(found.end);
    return { status, headers, body: found.body };
  };
  return {
    push(chunk) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    },
    next,
    rest: () => bytes,
  };
}

type Head = Pick<HttpAnswer, "status" | "headers">;

function readHead(text: string): Head {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new BadAnswerError(`no status line: ${statusLine.slice(0, 100)}`);
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new BadAnswerError(`no header: ${line}`);
    const values = headers.get(name.toLowerCase()) ?? [];
    values.push(value.trimEnd());
    headers.set(name.toLowerCase(), values);
  }
  return { status, headers };
}

function readBody(
  bytes: Buffer,
  start: number,
  status: number,
  headers: Head["headers"],
  toHead: boolean,
): { body: Buffer; end: number } | null {
  if (toHead || status === 204 || status === 304) return { body: Buffer.alloc(0), end: start };
  if (headers.get("transfer-encoding")?.join() === "chunked") return readChunks(bytes, start);
  const length = Number(headers.get("content-length")?.join() ?? Number.NaN);
  if (!Number.isInteger(length)) throw new BadAnswerError("an answer without a length");
  const end = start + length;
  return bytes.length < end ? null : { body: bytes.subarray(start, end), end };
}

function readChunks(bytes: Buffer, start: number): { body: Buffer; end: number } | null {
  const parts: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const text = bytes.subarray(at, lineEnd).toString("latin1");
    if (!/^[0-9a-f]+$/i.test(text)) throw new BadAnswerError(`no chunk size: ${text}`);
    const size = Number.parseInt(text, 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return null;
    if (size === 0) return { body: Buffer.concat(parts), end: end + 2 };
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}

/** A header's value, those of several joined; undefined where there is none. */
export function headerOf(
  { headers }: Pick<HttpAnswer, "headers">,
  name: string,
): string | undefined {
  return headers.get(name)?.join(", ");
}
