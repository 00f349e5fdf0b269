-- Access tokens of connections, fetched once for all workers. Whoever fetches holds the row for as long as the fetch may
-- take; everybody else waits, or takes what is there. No row is no token: nothing is lost but a fetch.
CREATE TABLE oauth_tokens (
  connection_id text COLLATE "C" PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
  -- Of the connection whose token this is. A newer one has no use for it, but for a refresh token of the same grant.
  revision bigint NOT NULL,
  -- One more with each token that is kept. Whoever fetched upon an older one is too late.
  generation bigint NOT NULL DEFAULT 0,
  -- An envelope of access and refresh token, bound to `oauth-token:<connection_id>`; null: none yet.
  tokens text CHECK (tokens LIKE 'v1.%'),
  obtained_at timestamptz,
  -- From then on somebody fetches the next one, while this one still serves.
  renew_at timestamptz,
  expires_at timestamptz,
  -- Tokens in a row that were fetched because the one before was refused.
  refusals integer NOT NULL DEFAULT 0,
  -- The fetch under way, by a name of its own, and until when it counts.
  fetching_by uuid,
  fetching_until timestamptz,
  -- Fetches in a row that failed: nobody asks again before `retry_at`, and who needs a token hears `last_error`.
  failures integer NOT NULL DEFAULT 0,
  retry_at timestamptz,
  last_error json,
  CHECK ((fetching_by IS NULL) = (fetching_until IS NULL)),
  CHECK ((expires_at IS NULL) = (renew_at IS NULL))
);
