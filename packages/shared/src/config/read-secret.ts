import { variable } from "./read-value.ts";

const placeholder =
  /changeme|replaceme|placeholder|yourkey|yoursecret|insertkey|insertsecret|defaultkey|defaultsecret|notsecret/;

/**
 * Whether a secret is one that nobody made at random: a text from an example, few characters over
 * and over, or one short piece repeated. Says nothing good about a secret that passes.
 */
export function looksMadeUp(secret: string): boolean {
  if (placeholder.test(secret.toLowerCase().replaceAll(/[^a-z0-9]/g, ""))) return true;
  if (new Set(secret).size < 8) return true;
  return /^(.{1,8}?)\1+$/s.test(secret.slice(0, 4096));
}

/** Secrets are never repeated in a message. */
const makeOne = "Make one with: openssl rand -hex 32";

/** One or two (while rotating) keys of tl-plane, each at least 32 characters that a header can hold. */
export function planeKeys() {
  return variable<string[], string[]>([], (text) => {
    const keys = text.split(",").map((key) => key.trim());
    if (keys.length > 2) {
      return { wrong: "must hold one key, or two separated by a comma while you rotate them." };
    }
    if (keys.some((key) => key.length < 32)) {
      return { wrong: `must hold keys of at least 32 characters. ${makeOne}` };
    }
    if (keys.some((key) => key.length > 1024 || !/^[\x21-\x7e]+$/.test(key))) {
      return {
        wrong: `must hold keys of printable ASCII without spaces, at most 1024 long. ${makeOne}`,
      };
    }
    if (keys.some(looksMadeUp)) {
      return { wrong: `holds a key that anybody could guess. ${makeOne}` };
    }
    return { value: [...new Set(keys)] };
  });
}

/** The HS256 secret of front ends' tokens: at least 32 bytes (RFC 7518, 3.2). */
export function jwtSecret() {
  return variable(null, (text) => {
    if (Buffer.byteLength(text) < 32) return { wrong: `must be at least 32 bytes. ${makeOne}` };
    if (looksMadeUp(text)) return { wrong: `holds a secret that anybody could guess. ${makeOne}` };
    return { value: text };
  });
}

/**
 * One or two (while rotating) keys of exactly 32 bytes, each written as hex or base64 (either alphabet); the values are
 * base64. The first one encrypts.
 */
export function secretKeys() {
  return variable<string[], string[]>([], (text) => {
    const keys = text.split(",").map((key) => keyBytes(key.trim()));
    if (keys.length > 2) {
      return {
        wrong:
          "must hold one key, or two separated by a comma while you rotate them: the new one first.",
      };
    }
    if (keys.some((bytes) => bytes === null)) {
      return {
        wrong: `must hold keys of 32 bytes, as 64 hex digits or in base64. ${makeKey}`,
      };
    }
    const known = keys.filter((bytes) => bytes !== null);
    if (known.some(looksCounted)) {
      return { wrong: `holds a key that anybody could guess. ${makeKey}` };
    }
    return { value: [...new Set(known.map((bytes) => bytes.toString("base64")))] };
  });
}

const makeKey = "Make one with: openssl rand -base64 32";

function keyBytes(text: string): Buffer | null {
  const bytes = /^[0-9a-fA-F]{64}$/.test(text)
    ? Buffer.from(text, "hex")
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(text)
      ? Buffer.from(text, "base64")
      : null;
  return bytes?.length === 32 ? bytes : null;
}

/** Few different bytes, one short piece over and over, or bytes that count up or down: nobody drew them. */
function looksCounted(bytes: Buffer): boolean {
  const steps = new Set(bytes.subarray(1).map((byte, n) => byte - (bytes[n] ?? 0)));
  return new Set(bytes).size < 8 || steps.size < 4 || looksMadeUp(bytes.toString("latin1"));
}
