/** Why an envelope gives nothing away: it is none, its key is not here, or it was changed or stands in another place. */
export type SecretUnreadableReason = "malformed" | "unknown_key" | "tampered";

const says: Record<SecretUnreadableReason, string> = {
  malformed: "A stored secret is not in the form in which secrets are stored.",
  unknown_key:
    "A stored secret was encrypted with a key that TL_SECRET_KEY does not hold; add that key as its second value, then run: tl secrets rotate",
  tampered:
    "A stored secret was changed, or was moved here from another row; enter the secret anew.",
};

/** A stored secret can't be read. The message holds no part of it. */
export class SecretUnreadableError extends Error {
  override name = "SecretUnreadableError";
  readonly reason: SecretUnreadableReason;
  /** Of the key that it says it was sealed with; null where it says none. */
  readonly keyId: string | null;

  constructor(reason: SecretUnreadableReason, keyId: string | null) {
    super(says[reason]);
    this.reason = reason;
    this.keyId = keyId;
  }
}

/** Something needs to keep or read a secret, and there is no TL_SECRET_KEY. */
export class NoSecretKeyError extends Error {
  override name = "NoSecretKeyError";

  constructor() {
    super(
      "TL_SECRET_KEY is not set, so no secret can be kept or read. Set it for every API and worker process, to the same value, as made by: openssl rand -base64 32",
    );
  }
}
