import { performance } from "node:perf_hooks";
import type { Connection } from "@tl-engine/outbound";
import type { FetchToken, TokenCause } from "@tl-engine/outbound/fetch-token";
import type pg from "pg";
import type { SecretBox } from "../secrets/secret-box.ts";
import type { Signals } from "../signals/signals.ts";
import { worthRenewingInMs, type HeldToken } from "./held-token.ts";
import { createObtainer, type Reason } from "./obtain-token.ts";
import { connectionChanged, refusedAgain } from "./token-unavailable-error.ts";

export interface TokensOptions {
  pool: pg.Pool;
  /** null: there is no TL_SECRET_KEY, and so no token. */
  box: SecretBox | null;
  signals: Signals;
  fetchToken: FetchToken;
  /** Hears what kept a token from being renewed while the old one served. */
  onError: (error: unknown) => void;
  /** ms, only growing. */
  now?: () => number;
  /** 0 … 1. */
  random?: () => number;
  /** How long a fetch is another process's where that says nothing, ms. Default {@link fetchLeaseMs}. */
  leaseMs?: number;
}

/** Access tokens, fetched once for all workers. */
export interface Tokens {
  /**
   * A token for the connection's OAuth client. Those who ask at the same time, in this process and in others, share one
   * fetch; it goes on when one of them gives up.
   * @param stale the token that was just refused with 401, or null: it is never given again
   * @param cause the execution that a fetch is put on record for
   * @throws TokenUnavailableError | NoSecretKeyError, or the signal's reason
   */
  token(
    connection: Connection,
    stale: string | null,
    cause: TokenCause,
    signal: AbortSignal,
  ): Promise<string>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/**
 * How long a fetch is another process's, ms: longer than one can take (10 s, and what Postgres takes to keep it), so that
 * only a process that died loses it.
 */
export const fetchLeaseMs = 20_000;
/** What a caller sees change under its hands, it looks at again; more often than that something is wrong. */
const maxRounds = 5;

interface Entry {
  held: HeldToken | null;
  /** The one look, wait or fetch that is under way for the connection in this process. */
  flight: Promise<HeldToken> | null;
}

/** See {@link Tokens}. The row in Postgres is the truth; what is here in memory saves asking it for each call. */
export function createTokens(options: TokensOptions): Tokens {
  const { signals, onError, now = () => performance.now() } = options;
  const ending = new AbortController();
  const entries = new Map<string, Entry>();
  const obtainer = createObtainer({
    leaseMs: fetchLeaseMs,
    random: Math.random,
    ...options,
    now,
    ending: ending.signal,
  });

  signals.subscribe("tokens", (payload) => {
    const { connectionId, generation } = readPayload(payload);
    const entry = entries.get(connectionId);
    if (entry?.held && entry.held.generation < generation) entry.held = null;
    obtainer.wake(connectionId);
  });
  // A token of a connection that was changed or deleted has nothing to do here any more.
  signals.subscribe("connections", (connectionId) => {
    const entry = entries.get(connectionId);
    if (entry) entry.held = null;
    if (entry?.flight === null) entries.delete(connectionId);
  });

  function entryOf(id: string): Entry {
    const known = entries.get(id);
    if (known) return known;
    const entry: Entry = { held: null, flight: null };
    entries.set(id, entry);
    return entry;
  }

  /** Joins what is under way for the connection, or begins it. */
  function fly(entry: Entry, connection: Connection, reason: Reason, cause: TokenCause) {
    entry.flight ??= obtainer.obtain(connection, reason, cause).then(
      (held) => {
        entry.held = held;
        entry.flight = null;
        return held;
      },
      (error: unknown) => {
        entry.flight = null;
        throw error;
      },
    );
    return entry.flight;
  }

  return {
    async token(connection, stale, cause, signal) {
      const { id, revision } = connection;
      const entry = entryOf(id);
      for (let round = 0; round < maxRounds; round++) {
        signal.throwIfAborted();
        const { held } = entry;
        if (held && held.revision === revision && now() < held.expiresAt) {
          if (held.accessToken !== stale) {
            if (now() >= held.renewAt && entry.flight === null) {
              fly(entry, connection, { because: "old" }, cause).catch(onError);
            }
            return held.accessToken;
          }
          const waitMs = worthRenewingInMs(held, now());
          if (waitMs > 0) throw refusedAgain(id, waitMs);
          // From here on it is nobody's.
          entry.held = null;
        }
        const reason: Reason = stale === null ? { because: "none" } : { because: "refused", stale };
        await orAborted(fly(entry, connection, reason, cause), signal);
      }
      throw connectionChanged(id);
    },
    async close() {
      ending.abort(new Error("the process is going"));
      await Promise.allSettled([...entries.values()].flatMap(({ flight }) => flight ?? []));
    },
  };
}

function readPayload(payload: string): { connectionId: string; generation: number } {
  const [connectionId = "", generation] = payload.split(":");
  return { connectionId, generation: Number(generation) };
}

/** The promise's end, or the signal's reason where that comes first; the promise goes on for others. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: first, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  promise.then(resolve, reject);
  return first.finally(() => signal.removeEventListener("abort", onAbort));
}
