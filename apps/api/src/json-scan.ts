/** What one pass over the bytes of a JSON text finds out, so that only what needs it is looked at again. */
export interface JsonScan {
  /** Deepest nesting of arrays and objects; the outermost one is 1. */
  depth: number;
  /** A `\u` escape: the only way in which NUL or a lone surrogate gets into valid UTF-8. */
  unicodeEscape: boolean;
  /** A number literal of 16 characters or more, or with an exponent: it may be out of range. */
  suspectNumber: boolean;
}

const quote = 0x22;
const backslash = 0x5c;
const lowerU = 0x75;

/** Shortest integer literal beyond ±(2^53 − 1): 9007199254740992. */
const suspectLength = 16;

/** Scans UTF-8 bytes, valid JSON or not. */
export function scanJson(bytes: Uint8Array): JsonScan {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  let unicodeEscape = false;
  let suspectNumber = false;
  let digits = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (inString) {
      if (byte === quote) inString = false;
      else if (byte === backslash) {
        i += 1;
        if (bytes[i] === lowerU) unicodeEscape = true;
      }
      continue;
    }
    if (byte >= 0x30 && byte <= 0x39) {
      digits += 1;
      if (digits >= suspectLength) suspectNumber = true;
      continue;
    }
    // An exponent: an `e` right behind a digit, which no literal word has.
    if ((byte === 0x65 || byte === 0x45) && digits > 0) suspectNumber = true;
    if (byte === 0x2e && digits > 0) continue;
    digits = 0;
    if (byte === quote) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return { depth: deepest, unicodeEscape, suspectNumber };
}
