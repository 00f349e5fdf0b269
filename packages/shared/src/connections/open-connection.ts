import { parseDuration, type ConnectionConfig } from "@tl-engine/contract";
import type { Connection } from "@tl-engine/outbound";
import type { SecretBox } from "../secrets/secret-box.ts";
import { openAuth } from "./open-auth.ts";
import type { StoredConnection } from "./read-connection.ts";
import { openSecrets } from "./sealed-secrets.ts";

/**
 * A connection as the door works with it, its secrets in the clear: it is for memory alone.
 * @throws NoSecretKeyError where it has secrets and there is no key; SecretUnreadableError where none of the keys opens them
 */
export function openConnection(stored: StoredConnection, box: SecretBox | null): Connection {
  const { id, kind, revision, config } = stored;
  const secrets = openSecrets(id, stored.secrets, box);
  return {
    id,
    kind,
    revision,
    baseUrl: config.base_url,
    headers: config.headers,
    auth: openAuth(config.auth, secrets.auth),
    tls: {
      ca: config.tls.ca,
      certificate: config.tls.certificate,
      privateKey: secrets.tls["private_key"] ?? null,
    },
    timeouts: {
      connectMs: msOf(config.timeouts.connect),
      firstByteMs: msOf(config.timeouts.first_byte),
      totalMs: msOf(config.timeouts.total),
    },
    retry: {
      maxRetries: config.retry.max_retries,
      initialMs: msOf(config.retry.initial),
      maxMs: msOf(config.retry.max),
      maxRetryAfterMs: msOf(config.retry.max_retry_after),
    },
    methods: config.methods,
    paths: config.paths,
    concurrency: config.concurrency,
    rate: config.rate && { limit: config.rate.limit, perMs: msOf(config.rate.per) },
    breaker: config.breaker && openBreaker(config.breaker),
    log: {
      bodies: config.log.bodies,
      maxBodyBytes: config.log.max_body_bytes,
      hidePaths: config.log.hide_paths,
    },
  };
}

function openBreaker(breaker: NonNullable<ConnectionConfig["breaker"]>): Connection["breaker"] {
  return {
    failures: breaker.failures,
    ratio: breaker.ratio,
    windowMs: msOf(breaker.window),
    openMs: msOf(breaker.open),
    maxOpenMs: msOf(breaker.max_open),
  };
}

/** What is kept has been checked: a text that is no duration got there by another way. */
function msOf(duration: string): number {
  const ms = parseDuration(duration);
  if (ms === null) throw new Error("a connection holds a time that is none");
  return ms;
}
