import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const idLength = 12;
/** 62^43 > 2^256. */
const secretLength = 43;
const checksumLength = 6;
const pattern = /^tlk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/;
const keyLength = 4 + idLength + 1 + secretLength + checksumLength;

/** A new secret for a record; `key` is what the program sends, and is shown once. */
export interface NewKey {
  readonly id: string;
  readonly key: string;
  readonly secretHash: Buffer;
  readonly lastFour: string;
}

/**
 * Makes a key: `tlk_<12 base62 id>_<43 base62 secret><6 base62 CRC-32 of all before>`.
 * @param id of the record that gets a second secret; a new one where it is left out
 */
export function makeKey(id = randomText(idLength)): NewKey {
  const secret = randomText(secretLength);
  const body = `tlk_${id}_${secret}`;
  const key = body + checksum(body);
  return { id, key, secretHash: hashSecret(secret), lastFour: key.slice(-4) };
}

/** The parts of a key, or null for a text that is none: a mistyped key costs no look-up. */
export function parseKey(text: string): { id: string; secret: string } | null {
  if (text.length !== keyLength || !pattern.test(text)) return null;
  const body = text.slice(0, -checksumLength);
  if (checksum(body) !== text.slice(-checksumLength)) return null;
  return { id: body.slice(4, 4 + idLength), secret: body.slice(-secretLength) };
}

/** SHA-256. A secret of 256 random bits needs no slow hash: there is nothing to guess. */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = "";
  for (let at = 0; at < checksumLength; at++) {
    text = (alphabet[rest % 62] ?? "") + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** Random characters, each as likely as the others: bytes from 248 (4 × 62) up are drawn again. */
function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += alphabet[byte % 62] ?? "";
    }
  }
  return text;
}
