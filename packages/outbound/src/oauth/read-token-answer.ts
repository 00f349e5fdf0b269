import { type HttpResponse } from "../http-client.ts";
import { retryAfterMs } from "../retry-after.ts";
import { TokenError } from "./token-error.ts";

/** What a token endpoint gave. */
export interface FetchedToken {
  readonly accessToken: string;
  /** A new refresh token, which replaces the one that was used; null: that one stays good. */
  readonly refreshToken: string | null;
  /** How long the access token is good for from when it was asked for, ms. */
  readonly lifeMs: number;
}

/** Taken where the endpoint does not say how long a token lives (RFC 6749 leaves that open), ms. */
export const DEFAULT_LIFE_MS = 5 * 60_000;
/** Longer ones are renewed after this all the same, ms. */
const MAX_LIFE_MS = 30 * 24 * 60 * 60_000;

/** Where the request went and what must not be repeated, for messages. */
export interface TokenExchange {
  readonly connectionId: string;
  /** Host and path, without a query. */
  readonly endpoint: string;
  readonly secrets: readonly string[];
}

/** Words by which an endpoint says that it may work later (RFC 6749 §4.1.2.1, RFC 8628 §3.5). */
const PASSING: ReadonlySet<string> = new Set([
  "server_error",
  "temporarily_unavailable",
  "slow_down",
]);

/** What to do about each error of RFC 6749 §5.2 and RFC 8707. */
const REMEDIES: Readonly<Record<string, string>> = {
  invalid_client: "check client_id, client_auth and its secret or key",
  invalid_grant: "the grant is no longer accepted: authorise anew and set refresh_token",
  unauthorized_client: "allow this grant for the client at the authorisation server",
  unsupported_grant_type: "the authorisation server does not offer this grant",
  invalid_scope: "check scope",
  invalid_target: "check audience",
  invalid_request: "check client_auth, scope and audience",
};

/**
 * Reads the answer of a token endpoint (RFC 6749 §5).
 *
 * @throws TokenError: retryable where the endpoint may answer otherwise later, else with what to change. Of what it wrote
 *   only `error` and `error_description` are repeated, and the latter never where it echoes a secret.
 */
export function readTokenAnswer(exchange: TokenExchange, response: HttpResponse): FetchedToken {
  const { status } = response;
  if (status >= 300 && status < 400) {
    throw tokenError(exchange, `answered ${status}; redirects are not followed: correct token_url`);
  }
  const answer = objectOf(response);
  const oauthError = answer?.["error"];
  // Some answer 200 with an error in it.
  if (typeof oauthError === "string" && /^[\x20-\x7e]{1,64}$/.test(oauthError)) {
    throw refusal(exchange, response, oauthError, answer?.["error_description"]);
  }
  if (status < 200 || status > 299) throw failure(exchange, response);
  if (answer === null) {
    throw tokenError(exchange, `answered ${status} with a body that is no JSON object`, {
      retryable: true,
    });
  }

  const { access_token: accessToken, token_type: type, refresh_token: refreshToken } = answer;
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") {
    throw tokenError(exchange, "gave a token whose token_type is not Bearer: no other is known");
  }
  if (typeof accessToken !== "string" || !/^[\x21-\x7e]{1,16384}$/.test(accessToken)) {
    throw tokenError(exchange, "gave no access_token that a header can carry");
  }
  return {
    accessToken,
    refreshToken: typeof refreshToken === "string" && refreshToken !== "" ? refreshToken : null,
    lifeMs: lifeOf(exchange, answer["expires_in"]),
  };
}

function lifeOf(exchange: TokenExchange, expiresIn: unknown): number {
  const readable =
    typeof expiresIn === "number" ||
    (typeof expiresIn === "string" && /^[0-9]{1,12}(\.[0-9]+)?$/.test(expiresIn));
  if (!readable) return DEFAULT_LIFE_MS;
  const seconds = Number(expiresIn);
  if (!(seconds > 0)) {
    throw tokenError(exchange, "gave a token that has expired already", { retryable: true });
  }
  return Math.min(seconds * 1000, MAX_LIFE_MS);
}

function objectOf(response: HttpResponse): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(response.text());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null; // the parser's message would quote the body
  }
}

function refusal(
  exchange: TokenExchange,
  { status, headers }: HttpResponse,
  oauthError: string,
  description: unknown,
): TokenError {
  const retryable = PASSING.has(oauthError) || isPassing(status);
  const said = describable(description, exchange.secrets);
  const remedy = retryable ? undefined : REMEDIES[oauthError];
  return tokenError(
    exchange,
    `answered ${oauthError}${said === null ? "" : ` (${said})`}${remedy === undefined ? "" : `; ${remedy}`}`,
    { retryable, oauthError, retryAfterMs: retryable ? retryAfterMs(headers) : undefined },
  );
}

/** An error status without a word of OAuth. */
function failure(exchange: TokenExchange, { status, headers }: HttpResponse): TokenError {
  if (status === 401) {
    return tokenError(exchange, `answered 401; ${REMEDIES["invalid_client"]}`, {
      oauthError: "invalid_client",
    });
  }
  return isPassing(status)
    ? tokenError(exchange, `answered ${status}`, {
        retryable: true,
        retryAfterMs: retryAfterMs(headers),
      })
    : tokenError(exchange, `answered ${status}; check token_url`);
}

function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** The endpoint's own explanation (RFC 6749 §5.2's characters), or null where it is none to be shown. */
function describable(description: unknown, secrets: readonly string[]): string | null {
  if (typeof description !== "string" || description === "") return null;
  const echoes = secrets.some(
    (secret) => description.includes(secret) || description.includes(encodeURIComponent(secret)),
  );
  if (echoes) return null;
  return description.replace(/[^\x20-\x7e]+/g, " ").slice(0, 200);
}

/** An error of the exchange; not retryable unless it is said. */
export function tokenError(
  { connectionId, endpoint }: TokenExchange,
  what: string,
  facts: Partial<ConstructorParameters<typeof TokenError>[1]> = {},
): TokenError {
  const message = `connection ${connectionId}: the token endpoint ${endpoint} ${what}`;
  return new TokenError(message, { retryable: false, ...facts });
}
