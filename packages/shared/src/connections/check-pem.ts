import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";

/** Read, or what is wrong ("must …"): never with a part of what was given. */
export type Read<T> = { value: T } | { wrong: string };

/** RFC 7518, 3.3; and no certificate authority takes a smaller one. */
const minRsaBits = 2048;

/** A private key as PKCS #8 in PEM, whatever form of PEM it came in. */
export interface PrivateKey {
  readonly key: KeyObject;
  readonly pem: string;
}

/** Reads a private key in PEM: RSA of at least 2048 bits, EC or Ed25519, without a passphrase. */
export function readPrivateKey(text: string): Read<PrivateKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, format: "pem" });
  } catch {
    return /ENCRYPTED/.test(text)
      ? { wrong: "must not be encrypted with a passphrase: it is kept encrypted here" }
      : { wrong: "must be a private key in PEM, whole: -----BEGIN PRIVATE KEY-----" };
  }
  const type = key.asymmetricKeyType ?? "";
  if (!["rsa", "ec", "ed25519"].includes(type)) {
    return { wrong: "must be an RSA, EC or Ed25519 key" };
  }
  if (type === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) < minRsaBits) {
    return { wrong: `must be an RSA key of at least ${minRsaBits} bits` };
  }
  return { value: { key, pem: key.export({ type: "pkcs8", format: "pem" }).toString() } };
}

const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads the certificates of a PEM text, in their order.
 * @param nowMs each has to be valid at this time
 */
export function readCertificates(text: string, nowMs: number): Read<readonly X509Certificate[]> {
  if (/PRIVATE KEY-----/.test(text)) {
    return { wrong: "must hold certificates alone: a private key would be shown here" };
  }
  const blocks = text.match(block) ?? [];
  if (blocks.length === 0 || text.split("-----BEGIN").length - 1 !== blocks.length) {
    return { wrong: "must be certificates in PEM, whole: -----BEGIN CERTIFICATE-----" };
  }
  const certificates: X509Certificate[] = [];
  for (const [index, one] of blocks.entries()) {
    const which = blocks.length === 1 ? "" : ` (number ${index + 1})`;
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(one);
    } catch {
      return { wrong: `must be certificates that can be read${which}` };
    }
    if (certificate.validToDate.getTime() <= nowMs) {
      return {
        wrong: `must be certificates that are valid; one ended ${certificate.validToDate.toISOString()}${which}`,
      };
    }
    certificates.push(certificate);
  }
  return { value: certificates };
}
