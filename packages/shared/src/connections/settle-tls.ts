import type { ConnectionConfig, ProblemError, TlsInput } from "@tl-engine/contract";
import { readCertificates, readPrivateKey } from "./check-pem.ts";
import type { ConnectionSecrets } from "./sealed-secrets.ts";

export interface SettledTls {
  readonly shown: ConnectionConfig["tls"];
  readonly secrets: ConnectionSecrets["tls"];
  readonly errors: readonly ProblemError[];
}

/**
 * Takes `tls` apart into what is shown and what is secret, and looks into its PEM.
 * @param kept the secrets there were; a private key that is left out stays while there is a certificate
 */
export function settleTls(
  given: TlsInput,
  kept: () => ConnectionSecrets["tls"],
  nowMs: number,
): SettledTls {
  const errors: ProblemError[] = [];
  const refuse = (member: string, detail: string): void =>
    void errors.push({ pointer: `/tls/${member}`, detail });

  if (given.ca !== null) {
    const read = readCertificates(given.ca, nowMs);
    if ("wrong" in read) refuse("ca", read.wrong);
  }
  const shown = { ca: given.ca, certificate: given.certificate };
  if (given.certificate === null) {
    if (given.private_key != null) refuse("private_key", "needs its certificate beside it");
    return { shown: { ...shown, secrets: [] }, secrets: {}, errors };
  }

  const certificates = readCertificates(given.certificate, nowMs);
  if ("wrong" in certificates) refuse("certificate", certificates.wrong);
  const text =
    given.private_key === undefined ? kept()["private_key"] : (given.private_key ?? undefined);
  if (text === undefined) {
    refuse("private_key", "is required beside a certificate");
    return { shown: { ...shown, secrets: [] }, secrets: {}, errors };
  }
  const key = readPrivateKey(text);
  if ("wrong" in key) refuse("private_key", key.wrong);
  else if ("value" in certificates && !certificates.value[0]?.checkPrivateKey(key.value.key)) {
    refuse("private_key", "must be the key of the (first) certificate, and is another one");
  }
  return {
    shown: { ...shown, secrets: ["private_key"] },
    secrets: "value" in key ? { private_key: key.value.pem } : {},
    errors,
  };
}
