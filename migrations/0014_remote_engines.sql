-- Engines whose work somebody else's service does: what it offers stands in engine_versions, as of any engine, and here
-- is the way to it.
CREATE SEQUENCE remote_engine_revisions;

CREATE TABLE remote_engines (
  engine_id text COLLATE "C" NOT NULL CHECK (engine_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
  version integer NOT NULL CHECK (version >= 1),
  -- The id of a connection. It may be gone: then executions fail, and say so.
  connection text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  -- false: nothing new is taken; what was accepted before is still done.
  is_active boolean NOT NULL DEFAULT true,
  -- Grows with every change, and is never used twice.
  revision bigint NOT NULL DEFAULT nextval('remote_engine_revisions'),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (engine_id, version)
);

-- Who holds a running execution that was handed over to such a service: no process, and it has no lease that could end.
-- As a row it is that to the previous build as well, which takes back whatever is held by nobody whom it knows.
INSERT INTO processes (id, kind, host, pid, lease_until, draining)
VALUES ('00000000-0000-0000-0000-000000000000', 'worker', 'remote', 0, 'infinity', true);
