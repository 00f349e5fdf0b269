-- Programs' keys. The key itself is shown once and never kept: only the SHA-256 of its secret.
CREATE TABLE api_keys (
  -- The middle part of the key, 12 base62 characters; the caller's name is 'key:' || id.
  id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  last_four text NOT NULL,
  -- The secret before the last reroll, taken until its overlap ends.
  previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
  previous_ends_at timestamptz,
  scopes text[] NOT NULL,
  -- null: every engine.
  engines text[],
  -- Three cases: a number; no limit (rate_unlimited); neither, then TL_RATE_LIMIT counts.
  rate_limit integer CHECK (rate_limit >= 1),
  rate_unlimited boolean NOT NULL DEFAULT false,
  is_active boolean NOT NULL DEFAULT true,
  -- Milliseconds, as in JSON, so that a list's cursor names a row exactly.
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  last_used_at timestamptz(3),
  -- Set once and for good.
  revoked_at timestamptz(3),
  CHECK ((previous_secret_hash IS NULL) = (previous_ends_at IS NULL)),
  CHECK (NOT rate_unlimited OR rate_limit IS NULL),
  CHECK (revoked_at IS NULL OR NOT is_active)
);

CREATE INDEX api_keys_newest_first ON api_keys (created_at DESC, id DESC);

-- Rate limits' counters where there is no Redis. Unlogged: a crash of Postgres starts the windows anew,
-- and a request costs no write-ahead log.
CREATE UNLOGGED TABLE rate_limits (
  name text COLLATE "C" PRIMARY KEY,
  -- Taken from the window that ends at expires_at.
  used bigint NOT NULL,
  -- How many requests the last statement let through: an upsert can't return what was there before it.
  granted bigint NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX rate_limits_expired ON rate_limits (expires_at);
