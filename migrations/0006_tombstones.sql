-- What is left of an execution once its time of retention is over, so that its id goes on being answered as one that was
-- there. Whose it was and of which engine decide who may know of it.
CREATE TABLE execution_tombstones (
  execution_id uuid PRIMARY KEY,
  finished_at timestamptz NOT NULL,
  purged_at timestamptz NOT NULL DEFAULT now(),
  version integer NOT NULL,
  status text NOT NULL CHECK (status IN ('succeeded', 'failed', 'canceled', 'expired')),
  caller_id text NOT NULL,
  engine_id text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Tombstones leave by their age. Written by the purge alone, never on an execution's path.
CREATE INDEX execution_tombstones_by_age ON execution_tombstones (purged_at);

-- Rows leave these all the time now: the place of a few per cent is given back at once instead of that of a fifth.
ALTER TABLE outbound_calls SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0.05);
