import { timingSafeEqual } from "node:crypto";
import type { ProgramCaller } from "../callers/caller.ts";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import { hashSecret, parseKey } from "./key-format.ts";
import { createLastUsedWriter } from "./last-used.ts";
import { createKeyReader } from "./read-keys.ts";

export interface KeyVerifier {
  /**
   * Who comes in with this key; null for one that is mistyped, unknown, off, revoked or expired, which
   * nobody can tell apart by the answer or by its time.
   * @throws what the database throws while it is away and the key is not cached
   */
  verify(key: string): Promise<ProgramCaller | null>;
  /** Writes what is still to be written of `last_used_at`. */
  close(): Promise<void>;
}

export interface KeyVerifierOptions {
  readonly db: Pick<Database, "pool">;
  readonly signals: Pick<Signals, "subscribe">;
  /** Hears errors of writes beside the requests. */
  readonly onError: (error: unknown) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly now?: () => number;
}

export function createKeyVerifier({ db, signals, onError, now }: KeyVerifierOptions): KeyVerifier {
  const keys = createKeyReader({ pool: db.pool, ...(now ? { now } : {}) });
  const lastUsed = createLastUsedWriter({ pool: db.pool, onError });
  signals.subscribe("keys", (id) => keys.forget(id));
  return {
    async verify(key) {
      const parts = parseKey(key);
      if (parts === null) return null;
      const given = hashSecret(parts.secret);
      const known = await keys.read(parts.id);
      // Both are compared in any case, so that the time says nothing about which one it was.
      const isCurrent = timingSafeEqual(given, known.secretHash);
      const isPrevious = timingSafeEqual(given, known.previousSecretHash);
      const caller = isCurrent || isPrevious ? known.caller : null;
      if (caller !== null) lastUsed.touch(caller.keyId);
      return caller;
    },
    close: () => lastUsed.close(),
  };
}
