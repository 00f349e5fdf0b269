import { createPrivateKey, randomUUID, type KeyObject } from "node:crypto";

import { type OAuthClient } from "../ports.ts";
import { TokenError } from "./token-error.ts";

/** RFC 7523 §2.2. */
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** How long an assertion is good for. It is sent at once, and used once. */
const LIFE_SECONDS = 60;

/**
 * A JWT by which a client shows that it has its private key (RFC 7523 §3), for one request: with an id of its own and
 * the token endpoint as its audience.
 *
 * @throws TokenError where the key cannot be read or does not fit the algorithm
 */
export async function clientAssertion(
  connectionId: string,
  client: OAuthClient,
  now: Date,
): Promise<string> {
  const cannot = () =>
    new TokenError(
      `connection ${connectionId}: the private key of its OAuth client cannot be used: set private_key to PKCS #8 in PEM, without a passphrase, and algorithm to one that fits it`,
      { retryable: false },
    );
  let key: KeyObject;
  try {
    key = createPrivateKey(client.privateKey ?? "");
  } catch {
    throw cannot(); // not as its cause: nobody vouches for what OpenSSL says of a key
  }
  // Loaded by the first that needs it.
  const { SignJWT } = await import("jose");
  const issuedAt = Math.floor(now.getTime() / 1000);
  try {
    return await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({
        alg: client.algorithm ?? algorithmOf(key),
        typ: "JWT",
        ...(client.keyId === null ? {} : { kid: client.keyId }),
      })
      .setIssuer(client.clientId)
      .setSubject(client.clientId)
      .setAudience(client.tokenUrl)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFE_SECONDS)
      .sign(key);
  } catch {
    throw cannot();
  }
}

/** The usual algorithm of a key of this kind (RFC 7518 §3.1). */
function algorithmOf(key: KeyObject): string {
  switch (key.asymmetricKeyType) {
    case "ec": {
      const curve = key.asymmetricKeyDetails?.namedCurve;
      return curve === "secp384r1" ? "ES384" : curve === "secp521r1" ? "ES512" : "ES256";
    }
    case "ed25519":
      return "EdDSA";
    case "rsa-pss":
      return "PS256";
    default:
      return "RS256";
  }
}
