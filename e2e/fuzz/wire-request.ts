/** A header as it is written: one character is one byte. */
export type HeaderLine = readonly [name: string, value: string];

/** A request as it goes over the wire. Its framing is right; what is wrong with framing is tried apart. */
export interface WireRequest {
  readonly method: string;
  /** What stands in the request line; one character is one byte. */
  readonly target: string;
  /** Without those that frame the body, and without Host unless it is to be an odd one. */
  readonly headers: readonly HeaderLine[];
  readonly body: Buffer | null;
  readonly chunked: boolean;
}

/** The bytes of a request. */
export function bytesOf(
  { method, target, headers, body, chunked }: WireRequest,
  host: string,
): Buffer {
  const named = headers.some(([name]) => name.toLowerCase() === "host");
  const lines: HeaderLine[] = [...(named ? [] : [["Host", host] as const]), ...headers];
  if (body !== null) {
    lines.push(chunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", `${body.length}`]);
  }
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([
    Buffer.from(head, "latin1"),
    ...(body === null ? [] : chunked ? inChunks(body) : [body]),
  ]);
}

function inChunks(body: Buffer): Buffer[] {
  const cut = Math.ceil(body.length / 2);
  const chunks = [body.subarray(0, cut), body.subarray(cut)].filter((part) => part.length > 0);
  return [
    ...chunks.flatMap((part) => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from("\r\n"),
    ]),
    Buffer.from("0\r\n\r\n"),
  ];
}

/** The values of a header, in order. */
export function headerValues({ headers }: Pick<WireRequest, "headers">, name: string): string[] {
  return headers.filter(([own]) => own.toLowerCase() === name).map(([, value]) => value);
}

/** The same request with one header more. */
export function withHeader(request: WireRequest, name: string, value: string): WireRequest {
  return { ...request, headers: [...request.headers, [name, value]] };
}

/** The same request without a header. */
export function withoutHeader(request: WireRequest, name: string): WireRequest {
  return {
    ...request,
    headers: request.headers.filter(([own]) => own.toLowerCase() !== name.toLowerCase()),
  };
}
