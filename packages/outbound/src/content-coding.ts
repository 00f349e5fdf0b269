import { promisify } from "node:util";
import {
  brotliDecompress,
  constants,
  gunzip,
  inflate,
  inflateRaw,
  zstdDecompress,
} from "node:zlib";

import { BodyTooLarge } from "./response-bytes.ts";

/** Sent with every call: what `decodeBody` understands. */
export const ACCEPT_ENCODING = "gzip, br, zstd, deflate";

/** More codings than this, one within the other, are an attack: each multiplies the last. */
const MAX_CODINGS = 2;

/** The coding can't be undone: broken data, or a chain that nobody sends in earnest. */
export class ContentCodingError extends Error {
  override name = "ContentCodingError";
}

type Decoder = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const asyncInflate = promisify(inflate);
const asyncInflateRaw = promisify(inflateRaw);
const asyncZstd = promisify(zstdDecompress);

const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  br: promisify(brotliDecompress),
  // Said to be zlib (RFC 9110 §8.4.1.2), but some servers send it raw: the low bits of the first byte tell.
  deflate: (body, options) =>
    ((body[0] ?? 8) & 0x0f) === 8 ? asyncInflate(body, options) : asyncInflateRaw(body, options),
  // RFC 9659 allows windows up to 8 MiB over HTTP; zstd's own limit of 128 MiB would be memory for one call.
  zstd: (body, options) =>
    asyncZstd(body, { ...options, params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
};

/**
 * The codings of a Content-Encoding header that `decodeBody` has to undo, in the order in which they
 * were applied. An unknown one means that none is undone, as browsers do: the body is then given as is.
 *
 * @throws ContentCodingError for more than two.
 */
export function codingsOf(contentEncoding: string | undefined): readonly string[] {
  const codings = (contentEncoding ?? "")
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.length > MAX_CODINGS) {
    throw new ContentCodingError(`the body has ${codings.length} content codings`);
  }
  return codings.every((coding) => Object.hasOwn(DECODERS, coding)) ? codings : [];
}

/**
 * Undoes the codings, last one first. No step gives more than `cap` bytes: a bomb is cut while it
 * unfolds, not after.
 *
 * @throws BodyTooLarge, ContentCodingError.
 */
export async function decodeBody(
  body: Uint8Array,
  codings: readonly string[],
  cap: number,
): Promise<Uint8Array> {
  let decoded = body;
  // Nothing at all, as an answer without content has it, is no broken coding.
  if (body.length === 0) return decoded;
  for (const coding of codings.toReversed()) {
    try {
      decoded =
        (await DECODERS[coding]?.(decoded, { maxOutputLength: Math.max(1, cap) })) ?? decoded;
    } catch (error) {
      if (error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
        throw new BodyTooLarge(cap);
      }
      throw new ContentCodingError(`the body is no valid ${coding}`, { cause: error });
    }
  }
  return decoded;
}
