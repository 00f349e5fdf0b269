import { randomUUID } from "node:crypto";
import type { Connection } from "@tl-engine/outbound";
import type { FetchedToken, FetchToken, TokenCause } from "@tl-engine/outbound/fetch-token";
import type pg from "pg";
import { isUnavailable } from "../db/error-class.ts";
import { demandSecretBox } from "../secrets/open-secret-box.ts";
import type { SecretBox } from "../secrets/secret-box.ts";
import { NoSecretKeyError } from "../secrets/secret-errors.ts";
import type { Signals } from "../signals/signals.ts";
import { failureOf, giveUpFetch } from "./give-up-fetch.ts";
import { worthRenewingInMs, type HeldToken } from "./held-token.ts";
import { keepToken } from "./keep-token.ts";
import { claimFetch, readTokenRow, releaseFetch, type TokenRow } from "./oauth-token-row.ts";
import { grantOf, openTokens, type KeptTokens } from "./sealed-tokens.ts";
import {
  connectionChanged,
  refusedAgain,
  TokenUnavailableError,
} from "./token-unavailable-error.ts";

/** Why a token is looked for: there is none here, the one here was refused, or it will soon be over. */
export type Reason =
  | { readonly because: "none" }
  | { readonly because: "refused"; readonly stale: string }
  | { readonly because: "old" };

export interface ObtainerOptions {
  pool: pg.Pool;
  box: SecretBox | null;
  signals: Pick<Signals, "publish">;
  fetchToken: FetchToken;
  onError: (error: unknown) => void;
  now: () => number;
  random: () => number;
  leaseMs: number;
  /** Aborts when the process goes. */
  ending: AbortSignal;
}

/** The way to a token over Postgres: what is there, what another process is fetching, or a fetch of our own. */
export interface Obtainer {
  /** To be called once at a time for a connection. @throws TokenUnavailableError | NoSecretKeyError */
  obtain(connection: Connection, reason: Reason, cause: TokenCause): Promise<HeldToken>;
  /** Something happened to a connection's token. */
  wake(connectionId: string): void;
}

/** How often a fetch of another process is looked after where its signal is lost, ms; a little more by chance. */
const pollMs = 250;

/** See {@link Obtainer}. */
export function createObtainer(options: ObtainerOptions): Obtainer {
  const { pool, fetchToken, onError, now, random, ending } = options;
  const waiting = new Map<string, () => void>();
  /** What was fetched while Postgres was away, and is not there yet. */
  const keeping = new Map<string, Promise<unknown>>();

  async function obtain(
    connection: Connection,
    reason: Reason,
    cause: TokenCause,
  ): Promise<HeldToken> {
    const { id, revision } = connection;
    const box = demandSecretBox(options.box);
    await keeping.get(id);
    for (;;) {
      ending.throwIfAborted();
      const readAt = now();
      const row = await readTokenRow(pool, id);
      if (row !== null && row.revision > revision) throw connectionChanged(id);
      const kept = row?.tokens == null ? null : openTokens(id, row.tokens, box, onError);
      const held = heldOf(connection, row, kept, readAt);
      const refused = reason.because === "refused" && held?.accessToken === reason.stale;
      if (held !== null && !refused && !(reason.because === "old" && held.renewAt <= now())) {
        return held;
      }
      if (held !== null && refused) {
        const waitMs = worthRenewingInMs(held, now());
        if (waitMs > 0) throw refusedAgain(id, waitMs);
      }
      const busyMs = row?.fetchingMs ?? 0;
      const pauseMs = row?.revision === revision ? row.retryInMs : 0;
      if (held !== null && !refused && Math.max(busyMs, pauseMs) > 0) {
        // It still serves, so nobody waits: either the next one comes, or somebody asks for it after that time.
        return { ...held, renewAt: now() + Math.max(busyMs, pauseMs) };
      }
      if (busyMs > 0) {
        await changeOf(id, Math.min(busyMs, pollMs * (1 + random())));
        continue;
      }
      if (pauseMs > 0) throw failureOf(connection, row?.lastError ?? null, pauseMs);

      const claim = randomUUID();
      if (!(await claimFetch(pool, connection, row, claim, options.leaseMs, refused))) continue;
      const stale = reason.because === "refused" ? reason.stale : null;
      const fetched = await fetchAndKeep(connection, row, kept, claim, stale, cause, box);
      if (fetched !== null) return fetched;
    }
  }

  /** @returns null where somebody else was faster: what is in the row by now counts */
  async function fetchAndKeep(
    connection: Connection,
    row: TokenRow | null,
    before: KeptTokens | null,
    claim: string,
    stale: string | null,
    cause: TokenCause,
    box: SecretBox,
  ): Promise<HeldToken | null> {
    const { id, revision } = connection;
    const seen = { revision, generation: row?.generation ?? 0 };
    const grant = grantOf(connection);
    const known = before?.grant === grant ? before.refreshToken : null;
    const fetch = { ...options, connection, seen, claim, failures: row?.failures ?? 0 };
    const askedAt = now();
    let answer: FetchedToken;
    try {
      answer = await fetchToken(connection, known, cause, ending);
    } catch (error) {
      if (ending.aborted) {
        await releaseFetch(pool, id, claim).catch(onError);
        throw error;
      }
      return giveUpFetch({ ...fetch, error, envelope: null });
    }
    return keepToken({
      ...fetch,
      box,
      answer,
      askedAt,
      stale,
      kept: { grant, accessToken: answer.accessToken, refreshToken: answer.refreshToken ?? known },
      onLate: (kept) => {
        keeping.set(id, kept);
        void kept.finally(() => keeping.delete(id));
      },
    });
  }

  /** The token in the row, if it serves this connection's revision. */
  function heldOf(
    { revision }: Connection,
    row: TokenRow | null,
    kept: KeptTokens | null,
    readAt: number,
  ): HeldToken | null {
    if (row === null || kept === null || row.revision !== revision || row.livesMs <= 0) return null;
    return {
      revision,
      generation: row.generation,
      accessToken: kept.accessToken,
      obtainedAt: readAt - row.ageMs,
      renewAt: readAt + row.renewInMs,
      expiresAt: readAt + row.livesMs,
      refusals: row.refusals,
    };
  }

  /** Ends when something happened to the connection's token, and after that time at the latest. */
  function changeOf(id: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(id);
        ending.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      waiting.set(id, done);
      ending.addEventListener("abort", done);
    });
  }

  return {
    async obtain(connection, reason, cause) {
      try {
        return await obtain(connection, reason, cause);
      } catch (error) {
        throw inItsWords(connection.id, error);
      }
    },
    wake: (id) => waiting.get(id)?.(),
  };

  function inItsWords(id: string, error: unknown): unknown {
    const known = error instanceof TokenUnavailableError || error instanceof NoSecretKeyError;
    if (known || ending.aborted) return error;
    onError(error);
    const why = isUnavailable(error) ? "the database is away" : "the log of the worker says why";
    const message = `connection ${id}: no access token could be had: ${why}`;
    return new TokenUnavailableError({ code: "connection_failed", message, retryable: true });
  }
}
