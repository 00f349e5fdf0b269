import type { Config } from "../config/config.ts";
import { createSecretBox, type SecretBox } from "./secret-box.ts";
import { NoSecretKeyError } from "./secret-errors.ts";

/** The box of this process; null without TL_SECRET_KEY. */
export function openSecretBox({ secretKeys }: Pick<Config, "secretKeys">): SecretBox | null {
  return secretKeys.length === 0 ? null : createSecretBox(secretKeys);
}

/** @throws NoSecretKeyError where there is no box */
export function demandSecretBox(box: SecretBox | null): SecretBox {
  if (box === null) throw new NoSecretKeyError();
  return box;
}
