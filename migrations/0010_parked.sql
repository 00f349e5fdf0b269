-- What an execution waits for that is parked: `connection:<id>`. Null for all others.
ALTER TABLE executions ADD COLUMN blocked_by text;

-- Circuits, shared by all workers and moved by this server's clock alone. One that never failed has no row, or a closed
-- one.
CREATE TABLE connection_breakers (
  connection_id text COLLATE "C" PRIMARY KEY,
  state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
  -- Grows with every change of state: what comes of a call that was let through under an older one counts no more.
  generation bigint NOT NULL DEFAULT 0,
  -- What came of calls while it was closed: the window in ten equal parts, the newest first, which is the one that began
  -- at part * part_ms since 1970.
  part bigint NOT NULL DEFAULT 0,
  part_ms double precision NOT NULL DEFAULT 0,
  calls bigint[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0,0,0}',
  failures bigint[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0,0,0}',
  changed_at timestamptz NOT NULL DEFAULT now(),
  -- Since when it has not been closed, how often it was opened since then, for how long the last time, and when that is
  -- over.
  opened_at timestamptz,
  openings integer NOT NULL DEFAULT 0,
  open_ms double precision NOT NULL DEFAULT 0,
  retry_at timestamptz,
  -- A parked execution was released to try it, and no other one is before this.
  released_until timestamptz,
  -- The one call that is let through, for which execution, and when it is taken for lost.
  probe_id uuid,
  probe_execution_id uuid,
  probe_until timestamptz,
  -- The connection as it was when the circuit opened: once that is changed, it may be tried at once.
  connection_revision bigint,
  CHECK ((state = 'closed') = (opened_at IS NULL)),
  CHECK ((state = 'closed') = (retry_at IS NULL)),
  CHECK ((state = 'half_open') = (probe_id IS NOT NULL)),
  CHECK ((probe_id IS NULL) = (probe_until IS NULL))
) WITH (fillfactor = 50);

-- Who makes calls through a connection that bounds how many are made at once: by process, how many it makes, how many
-- more it would, since when it waits for those, and when it said so. Unlogged: a crash of this server forgets calls that
-- are under way.
CREATE UNLOGGED TABLE connection_places (
  connection_id text COLLATE "C" PRIMARY KEY,
  holders jsonb NOT NULL DEFAULT '{}',
  -- Of the last statement: an update can't return what it reckoned.
  given jsonb
) WITH (fillfactor = 50);

-- What was taken of a connection's rate. The calls that it allows are numbered from 1970, so many to a window: the next
-- one that is free, and the next one of those that parked executions were sent away to. Unlogged: a crash of this server
-- starts the window anew.
CREATE UNLOGGED TABLE connection_rates (
  connection_id text COLLATE "C" PRIMARY KEY,
  per_window integer NOT NULL,
  window_ms double precision NOT NULL,
  next_call bigint NOT NULL,
  next_parked bigint NOT NULL,
  -- Of the last statement: an upsert can't return what was there before it.
  granted integer NOT NULL
) WITH (fillfactor = 50);
