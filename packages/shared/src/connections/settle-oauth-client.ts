import type { KeyObject } from "node:crypto";
import type { AuthInput, ProblemError } from "@tl-engine/contract";
import { readPrivateKey } from "./check-pem.ts";

type OAuthInput = Extract<AuthInput, { type: `oauth2_${string}` }>;
type Algorithm = OAuthInput["algorithm"];

/** JWS algorithms by the curve that they are for (RFC 7518, 3.4; RFC 8037). */
const byCurve: Readonly<Record<string, NonNullable<Algorithm>>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

export interface SettledOauthClient {
  /** PKCS #8 in PEM. */
  readonly privateKey: string | null;
  readonly algorithm: Algorithm;
  readonly errors: readonly ProblemError[];
}

/** What a client's key is and signs with; for `basic` and `post` there is neither. */
export function settleOauthClient(
  given: OAuthInput,
  privateKey: string | readonly string[] | undefined,
): SettledOauthClient {
  if (given.client_auth !== "private_key_jwt") {
    const errors = (["key_id", "algorithm"] as const)
      .filter((member) => given[member] !== null)
      .map((member) => ({
        pointer: `/auth/${member}`,
        detail: "belongs to client_auth private_key_jwt; leave it out",
      }));
    return { privateKey: null, algorithm: null, errors };
  }
  const { algorithm } = given;
  // That it is missing has been said.
  if (typeof privateKey !== "string") return { privateKey: null, algorithm, errors: [] };
  const read = readPrivateKey(privateKey);
  if ("wrong" in read) {
    const errors = [{ pointer: "/auth/private_key", detail: read.wrong }];
    return { privateKey: null, algorithm, errors };
  }
  const possible = algorithmsOf(read.value.key);
  const [first] = possible;
  if (first === undefined) {
    const errors = [
      { pointer: "/auth/private_key", detail: "must be on the curve P-256, P-384 or P-521" },
    ];
    return { privateKey: null, algorithm, errors };
  }
  const errors =
    algorithm === null || possible.includes(algorithm)
      ? []
      : [
          {
            pointer: "/auth/algorithm",
            detail: `must be one that the key can: ${possible.join(", ")}`,
          },
        ];
  return { privateKey: read.value.pem, algorithm: algorithm ?? first, errors };
}

function algorithmsOf(key: KeyObject): readonly NonNullable<Algorithm>[] {
  switch (key.asymmetricKeyType) {
    case "rsa":
      return ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    case "ed25519":
      return ["EdDSA"];
    default: {
      const algorithm = byCurve[key.asymmetricKeyDetails?.namedCurve ?? ""];
      return algorithm === undefined ? [] : [algorithm];
    }
  }
}
