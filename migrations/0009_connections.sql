-- Configured ways to reach outside systems. What is secret of one is in `secrets` alone, encrypted; `config` is shown.
CREATE SEQUENCE connection_revisions;

CREATE TABLE connections (
  -- The operator's own word for it.
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
  kind text NOT NULL CHECK (kind IN ('http', 'grpc', 'websocket', 'smtp')),
  -- As in JSON on the wire, with every default filled in and without secrets.
  config json NOT NULL,
  -- An envelope of a JSON object of the secrets by their place, bound to `connection:<id>`; null: it has none.
  secrets text CHECK (secrets LIKE 'v1.%'),
  -- Grows with every change, and is never used twice: one that is deleted and made again is not taken for the old one.
  revision bigint NOT NULL DEFAULT nextval('connection_revisions'),
  is_active boolean NOT NULL DEFAULT true,
  -- Milliseconds, as in JSON.
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now()
);
