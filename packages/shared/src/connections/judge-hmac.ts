import type { AuthInput, ProblemError } from "@tl-engine/contract";

type HmacInput = Extract<AuthInput, { type: "hmac" }>;

/** Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes. */
const standardSecret = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/;

/** What is wrong with signing by a scheme; `secrets` undefined: that they are missing has been said. */
export function judgeHmac(
  given: HmacInput,
  secrets: string | readonly string[] | undefined,
): ProblemError[] {
  const errors: ProblemError[] = [];
  const all = [secrets ?? []].flat();
  if (given.scheme === "sha256") {
    if (all.length > 1) {
      errors.push({
        pointer: "/auth/signing_secrets/1",
        detail: "must be left out: receivers of sha256 compare one signature",
      });
    }
    if (given.header === undefined) {
      errors.push({
        pointer: "/auth/header",
        detail: "is required for sha256, such as x-hub-signature-256",
      });
    }
    return errors;
  }
  for (const member of ["header", "prefix"] as const) {
    if (given[member] !== undefined) {
      errors.push({
        pointer: `/auth/${member}`,
        detail: "is given by the scheme standard_webhooks; leave it out",
      });
    }
  }
  for (const [index, secret] of all.entries()) {
    const bytes = Buffer.from(secret.slice("whsec_".length), "base64").length;
    if (!standardSecret.test(secret) || bytes < 24 || bytes > 64) {
      errors.push({
        pointer: `/auth/signing_secrets/${index}`,
        detail: "must be whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it",
      });
    }
  }
  return errors;
}
