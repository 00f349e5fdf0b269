import { createClient, type Client } from "@tl-engine/client";
import type { CliConfig, Role } from "./config.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The API for one command. Someone waits before the screen, so an API that isn't there is told within
 * a second or two; `patient` sits out a restart of it, for what waits anyway.
 *
 * @throws UsageError when the configuration lacks the address or the key
 */
export function connect(config: CliConfig, role: Role, patient = false): Client {
  const { baseUrl, apiKey } = config.api(role);
  const retries = patient
    ? { limit: 8, maxRetryAfterMs: 60_000 }
    : { limit: 2, initialDelayMs: 200, maxRetryAfterMs: 5_000 };
  try {
    return createClient({ baseUrl, apiKey, retries });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`TL_URL: ${error.message.replace("createClient: ", "")}`);
  }
}
