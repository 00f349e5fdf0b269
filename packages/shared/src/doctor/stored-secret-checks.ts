import type pg from "pg";
import type { Config } from "../config/config.ts";
import { countSealed, type SealedCount } from "../secrets/count-sealed.ts";
import { createSecretBox } from "../secrets/secret-box.ts";
import { error, ok, warning, type Finding } from "./finding.ts";

/** Whether what is kept encrypted can be read here, and is under the key that it should be under. */
export async function checkStoredSecrets(
  pool: pg.Pool,
  { secretKeys }: Pick<Config, "secretKeys">,
): Promise<Finding[]> {
  const counts = await countSealed(pool);
  return judgeStoredSecrets(counts, secretKeys);
}

export function judgeStoredSecrets(
  counts: readonly SealedCount[],
  secretKeys: readonly string[],
): Finding[] {
  if (secretKeys.length === 0) {
    if (counts.length === 0) {
      return [ok("secrets.stored", "No stored secrets", "and no TL_SECRET_KEY to keep any")];
    }
    return [
      error(
        "secrets.stored",
        "There are stored secrets, and TL_SECRET_KEY is not set here",
        `${named(counts)}; without the key nothing that needs them can be done`,
        "export TL_SECRET_KEY=…   # the value that they were encrypted with; from the backup of the environment",
      ),
    ];
  }
  const [current = "", ...older] = createSecretBox(secretKeys).keyIds;
  const unknown = counts.filter(({ keyId }) => keyId !== current && !older.includes(keyId));
  const old = counts.filter(({ keyId }) => older.includes(keyId));
  const findings: Finding[] = [];
  if (unknown.length > 0) {
    const ids = [...new Set(unknown.map(({ keyId }) => keyId))].join(", ");
    findings.push(
      error(
        "secrets.stored",
        "Stored secrets are under a key that TL_SECRET_KEY does not hold",
        `${named(unknown)}; key ${ids}, here ${[current, ...older].join(", ")}`,
        "export TL_SECRET_KEY=$TL_SECRET_KEY,…   # the key that is missing as the second value; then: tl secrets rotate",
      ),
    );
  }
  if (old.length > 0) {
    findings.push(
      warning(
        "secrets.rotation",
        "Stored secrets are still under the old key",
        `${named(old)}; key ${older.join(", ")}`,
        "tl secrets rotate   # then take the second value out of TL_SECRET_KEY",
      ),
    );
  }
  if (findings.length > 0) return findings;
  const spare = older.length > 0 ? "; the second value of TL_SECRET_KEY is needed no more" : "";
  return [
    ok(
      "secrets.stored",
      "Stored secrets are under the current key",
      `${named(counts) || "none yet"}, key ${current}${spare}`,
    ),
  ];
}

/** `3 connections.secrets`, and so on. */
function named(counts: readonly SealedCount[]): string {
  const byColumn = Map.groupBy(counts, ({ table, column }) => `${table}.${column}`);
  return [...byColumn]
    .map(([name, all]) => `${all.reduce((sum, { count }) => sum + count, 0)} ${name}`)
    .join(", ");
}
