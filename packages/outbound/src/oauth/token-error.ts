import { OutboundError, type Park } from "../errors.ts";

/** Why there is no access token. Its message says what an operator can do, and holds no secret. */
export class TokenError extends OutboundError {
  override name = "TokenError";
  /** The token endpoint's own word for it (RFC 6749 §5.2: `invalid_client`, `invalid_grant`, …); null: it said none. */
  readonly oauthError: string | null;
  /** Where the endpoint asked to wait for longer than a slot is held: left alone, it parks the execution. */
  declare readonly park?: Park;

  constructor(
    message: string,
    facts: {
      readonly code?: "connection_failed" | "upstream_error";
      readonly retryable: boolean;
      readonly retryAfterMs?: number | undefined;
      readonly oauthError?: string | undefined;
      readonly park?: Park | undefined;
    },
  ) {
    super(facts.code ?? "upstream_error", message, facts);
    this.oauthError = facts.oauthError ?? null;
    if (facts.park !== undefined) this.park = facts.park;
  }
}
