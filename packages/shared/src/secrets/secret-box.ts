import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  randomBytes,
  type CipherGCMTypes,
} from "node:crypto";
import { SecretUnreadableError } from "./secret-errors.ts";

const cipherName: CipherGCMTypes = "aes-256-gcm";
const version = "v1";
/** NIST SP 800-38D, 8.2: a nonce of 96 random bits, good for 2³² envelopes under one key. */
const nonceBytes = 12;
const tagBytes = 16;
/** What `TL_SECRET_KEY` has to hold at least, bytes. */
const minKeyBytes = 32;

/**
 * Keeps secrets in texts that only who has the key can read, or change unnoticed: AES-256-GCM, in envelopes of the form
 * `v1.<key id>.<nonce>.<ciphertext and tag>`, each part base64url.
 */
export interface SecretBox {
  /** First 8 hex digits of the SHA-256 of the key that seals. */
  readonly currentKeyId: string;
  /** Of all keys that open; the current one is the first. */
  readonly keyIds: readonly string[];
  /**
   * @param context names the place that the envelope is for, such as `connection:crm`; it is bound to it and opens
   *   nowhere else
   */
  seal(plain: string, context: string): string;
  /** @throws SecretUnreadableError with the reason: never with a part of what is in there */
  open(envelope: string, context: string): string;
  /** Which key an envelope was sealed with; null where the text is no envelope. */
  keyIdOf(envelope: string): string | null;
  /** 32 bytes made of the current key for something else than envelopes; `purpose` tells them apart. */
  deriveKey(purpose: string): Buffer;
  /** The same of every key, the current one first: what was signed before a rotation is checked with all. */
  deriveKeys(purpose: string): readonly Buffer[];
}

interface Key {
  readonly id: string;
  readonly material: Buffer;
  readonly sealing: Buffer;
}

/**
 * @param keys base64 of at least 32 bytes each, as the configuration has them; the first seals, all open
 * @throws TypeError where there is no key, or a short one
 */
export function createSecretBox(keys: readonly string[]): SecretBox {
  const all = keys.map(readKey);
  const [current] = all;
  if (current === undefined) throw new TypeError("a secret box needs a key");

  return {
    currentKeyId: current.id,
    keyIds: all.map(({ id }) => id),
    seal(plain, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(cipherName, current.sealing, nonce);
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      const body = Buffer.concat([sealed, cipher.getAuthTag()]);
      return [version, current.id, nonce.toString("base64url"), body.toString("base64url")].join(
        ".",
      );
    },
    open(envelope, context) {
      const parts = takeApart(envelope);
      if (parts === null) throw new SecretUnreadableError("malformed", null);
      const key = all.find(({ id }) => id === parts.keyId);
      if (key === undefined) throw new SecretUnreadableError("unknown_key", parts.keyId);
      const decipher = createDecipheriv(cipherName, key.sealing, parts.nonce, {
        authTagLength: tagBytes,
      });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(parts.body.subarray(-tagBytes));
      try {
        const plain = decipher.update(parts.body.subarray(0, -tagBytes));
        return Buffer.concat([plain, decipher.final()]).toString("utf8");
      } catch {
        throw new SecretUnreadableError("tampered", parts.keyId);
      }
    },
    keyIdOf: (envelope) => takeApart(envelope)?.keyId ?? null,
    deriveKey: (purpose) => derive(current.material, `purpose:${purpose}`),
    deriveKeys: (purpose) => all.map(({ material }) => derive(material, `purpose:${purpose}`)),
  };
}

function readKey(text: string): Key {
  const material = Buffer.from(text, "base64");
  if (material.length < minKeyBytes) {
    throw new TypeError(`a key of a secret box has at least ${minKeyBytes} bytes, in base64`);
  }
  const id = createHash("sha256").update(material).digest("hex").slice(0, 8);
  return { id, material, sealing: derive(material, "seal") };
}

/** RFC 5869. No salt: the key is as random as one would be. */
function derive(material: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", material, "", `tl-engine/${version}/${info}`, 32));
}

function takeApart(envelope: string): { keyId: string; nonce: Buffer; body: Buffer } | null {
  const [first, keyId = "", nonce, body, ...more] = envelope.split(".");
  if (first !== version || !/^[0-9a-f]{8}$/.test(keyId) || more.length > 0) return null;
  const bytes = { nonce: exactBytes(nonce), body: exactBytes(body) };
  if (bytes.nonce?.length !== nonceBytes) return null;
  if (bytes.body === null || bytes.body.length < tagBytes) return null;
  return { keyId, nonce: bytes.nonce, body: bytes.body };
}

/** Only the one spelling that `seal` makes: the decoder passes over what is no base64url, and over spare bits. */
function exactBytes(text = ""): Buffer | null {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}
