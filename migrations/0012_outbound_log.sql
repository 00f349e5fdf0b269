-- The outbound log: whose call it was, where its time went, and what was said. Rows of the build before have none of it.
ALTER TABLE outbound_calls
  -- A UUIDv7 whose time is that of the call's start: lists and the time of retention go by it.
  ADD COLUMN call_id uuid,
  -- null: no caller's own, such as a token that was fetched for many.
  ADD COLUMN caller_id text COLLATE "C",
  ADD COLUMN engine_id text COLLATE "C",
  -- What made it: engine, token or callback.
  ADD COLUMN purpose text NOT NULL DEFAULT 'engine',
  ADD COLUMN dns_ms double precision,
  ADD COLUMN connect_ms double precision,
  ADD COLUMN tls_ms double precision,
  ADD COLUMN first_byte_ms double precision,
  ADD COLUMN breaker_state text,
  ADD COLUMN request_headers json,
  ADD COLUMN response_headers json,
  ADD COLUMN request_body text,
  ADD COLUMN response_body text,
  -- An envelope of the request as the engine gave it, bound to `outbound-call:<call_id>`; without it, why there is none.
  ADD COLUMN resend text,
  ADD COLUMN not_resendable text;
