-- The record: every execution, from the moment it was accepted. Postgres is the truth; the queue only delivers.
CREATE TABLE executions (
  id uuid PRIMARY KEY,
  caller_id text NOT NULL,
  engine_id text NOT NULL,
  version integer NOT NULL,
  status text NOT NULL CHECK (status IN ('scheduled', 'queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
  priority smallint NOT NULL,
  -- Grows with every start and every give-back and is never used twice: it fences off late results.
  dispatch integer NOT NULL DEFAULT 0,
  attempt smallint NOT NULL DEFAULT 0,
  max_attempts smallint NOT NULL,
  -- How often a whole worker was lost with it; such a loss counts no attempt.
  losses smallint NOT NULL DEFAULT 0,
  -- Under suspicion of having blocked or crashed a shared host: it runs alone.
  alone boolean NOT NULL DEFAULT false,
  timeout_ms integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  run_at timestamptz,
  -- Since when it may be delivered; the process that has to enqueue it.
  ready_at timestamptz,
  enqueuer uuid,
  -- When a scheduled or waiting one becomes ready.
  due_at timestamptz,
  wait_reason text,
  expires_at timestamptz NOT NULL,
  -- Every unfinished state has a deadline by this server's clock, so that nothing can stay for ever.
  deadline_at timestamptz,
  started_at timestamptz,
  attempt_started_at timestamptz,
  attempt_ended_at timestamptz,
  finished_at timestamptz,
  worker_id uuid,
  cancel_requested_at timestamptz,
  cancel_effect text CHECK (cancel_effect IN ('prevented', 'aborted', 'too_late')),
  progress json,
  -- json, not jsonb: bodies are kept as they were sent and are never looked into here.
  input json NOT NULL,
  output json,
  error json,
  earlier_attempts jsonb,
  tags text[] NOT NULL DEFAULT '{}',
  metadata json NOT NULL DEFAULT '{}',
  traceparent text,
  CHECK ((status IN ('scheduled', 'queued', 'running')) = (deadline_at IS NOT NULL)),
  CHECK ((status IN ('scheduled', 'queued', 'running')) = (finished_at IS NULL)),
  CHECK (status <> 'running' OR worker_id IS NOT NULL),
  CHECK (status <> 'queued' OR (wait_reason IS NULL) = (ready_at IS NOT NULL)),
  CHECK (status <> 'scheduled' OR due_at IS NOT NULL)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX executions_by_caller ON executions (caller_id, id DESC);
-- The rest index the unfinished only, so that finished executions cost nothing.
CREATE INDEX executions_ready ON executions (engine_id, version, ready_at, id) WHERE status = 'queued' AND wait_reason IS NULL;
CREATE INDEX executions_due ON executions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX executions_deadline ON executions (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX executions_running ON executions (worker_id, engine_id, version) WHERE status = 'running';
CREATE INDEX executions_at_ceiling ON executions (engine_id, version, priority, id) WHERE status = 'queued' AND wait_reason = 'engine_concurrency';

-- One execution per caller and key, for at least 24 h.
CREATE TABLE idempotency_keys (
  caller_id text NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  execution_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (caller_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Every process keeps one leased row here. A worker's running executions are taken back when its lease
-- ends; what a process recorded after enqueued_through is enqueued by others when its lease ends.
CREATE TABLE processes (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('api', 'worker')),
  host text NOT NULL,
  pid integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz NOT NULL,
  enqueued_through timestamptz NOT NULL DEFAULT now(),
  draining boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- Which engine versions a worker serves, and with how many slots.
CREATE TABLE process_engines (
  process_id uuid NOT NULL REFERENCES processes (id) ON DELETE CASCADE,
  engine_id text NOT NULL,
  version integer NOT NULL,
  slots integer NOT NULL,
  PRIMARY KEY (engine_id, version, process_id)
);

-- The one process that reconciles at the moment. ticks is written to Redis as well, and sung is the largest that is
-- known to have arrived there: a missing or smaller number in Redis means that it lost what came after.
CREATE TABLE leader (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  process_id uuid NOT NULL,
  lease_until timestamptz NOT NULL,
  ticks bigint NOT NULL DEFAULT 0,
  sung bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- The catalogue that workers publish and the API reads.
CREATE TABLE engine_versions (
  engine_id text NOT NULL,
  version integer NOT NULL,
  title text NOT NULL,
  description text,
  input_schema json NOT NULL,
  output_schema json NOT NULL,
  example json,
  policy json NOT NULL,
  fingerprint text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now(),
  last_served_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (engine_id, version)
);

-- Figures, kept by the triggers below in the transaction that changes an execution, so that they are exact
-- and reading them costs the same with ten executions as with ten million. A backend writes to a shard of
-- its own, so that concurrent batches do not wait for one another.
CREATE TABLE engine_counters (
  engine_id text NOT NULL,
  version integer NOT NULL,
  shard smallint NOT NULL,
  accepted bigint NOT NULL DEFAULT 0,
  scheduled bigint NOT NULL DEFAULT 0,
  queued bigint NOT NULL DEFAULT 0,
  ready bigint NOT NULL DEFAULT 0,
  running bigint NOT NULL DEFAULT 0,
  succeeded bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  canceled bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (engine_id, version, shard)
) WITH (fillfactor = 50);

-- Histograms of the last minutes: one row per engine version, ten seconds and bucket. Bucket b holds
-- durations up to 0.1 ms * 1.15 ^ b.
CREATE TABLE engine_timings (
  slot bigint NOT NULL,
  engine_id text NOT NULL,
  version integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('queue', 'run')),
  bucket smallint NOT NULL,
  shard smallint NOT NULL,
  count bigint NOT NULL,
  total_ms double precision NOT NULL,
  PRIMARY KEY (slot, engine_id, version, kind, bucket, shard)
) WITH (fillfactor = 50);

CREATE FUNCTION timing_bucket(ms double precision) RETURNS smallint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT greatest(0, ceil(ln(greatest(ms, 0.1) / 0.1) / ln(1.15)))::smallint $$;

CREATE FUNCTION count_new_executions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO engine_counters AS c (engine_id, version, shard, accepted, scheduled, queued, ready)
  SELECT engine_id, version, pg_backend_pid() % 64, count(*),
    count(*) FILTER (WHERE status = 'scheduled'),
    count(*) FILTER (WHERE status = 'queued'),
    count(*) FILTER (WHERE status = 'queued' AND wait_reason IS NULL)
  FROM new_rows GROUP BY engine_id, version ORDER BY engine_id, version
  ON CONFLICT (engine_id, version, shard) DO UPDATE SET
    accepted = c.accepted + excluded.accepted,
    scheduled = c.scheduled + excluded.scheduled,
    queued = c.queued + excluded.queued,
    ready = c.ready + excluded.ready;
  RETURN NULL;
END $$;

CREATE FUNCTION count_changed_executions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM old_rows WHERE finished_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a finished execution never changes';
  END IF;
  INSERT INTO engine_counters AS c
    (engine_id, version, shard, scheduled, queued, ready, running, succeeded, failed, canceled, expired)
  SELECT * FROM (
    SELECT engine_id, version, (pg_backend_pid() % 64)::smallint,
      coalesce(sum(sign) FILTER (WHERE status = 'scheduled'), 0) AS scheduled,
      coalesce(sum(sign) FILTER (WHERE status = 'queued'), 0) AS queued,
      coalesce(sum(sign) FILTER (WHERE status = 'queued' AND wait_reason IS NULL), 0) AS ready,
      coalesce(sum(sign) FILTER (WHERE status = 'running'), 0) AS running,
      coalesce(sum(sign) FILTER (WHERE status = 'succeeded'), 0) AS succeeded,
      coalesce(sum(sign) FILTER (WHERE status = 'failed'), 0) AS failed,
      coalesce(sum(sign) FILTER (WHERE status = 'canceled'), 0) AS canceled,
      coalesce(sum(sign) FILTER (WHERE status = 'expired'), 0) AS expired
    FROM (
      SELECT engine_id, version, status, wait_reason, 1 AS sign FROM new_rows
      UNION ALL
      SELECT engine_id, version, status, wait_reason, -1 FROM old_rows
    ) AS moves
    GROUP BY engine_id, version
  ) AS deltas
  WHERE scheduled <> 0 OR queued <> 0 OR ready <> 0 OR running <> 0
  ORDER BY engine_id, version
  ON CONFLICT (engine_id, version, shard) DO UPDATE SET
    scheduled = c.scheduled + excluded.scheduled,
    queued = c.queued + excluded.queued,
    ready = c.ready + excluded.ready,
    running = c.running + excluded.running,
    succeeded = c.succeeded + excluded.succeeded,
    failed = c.failed + excluded.failed,
    canceled = c.canceled + excluded.canceled,
    expired = c.expired + excluded.expired;

  -- What started or ended an attempt in this very statement carries this transaction's time.
  INSERT INTO engine_timings AS t (slot, engine_id, version, kind, bucket, shard, count, total_ms)
  SELECT extract(epoch FROM now())::bigint / 10, engine_id, version, kind, timing_bucket(ms),
    pg_backend_pid() % 64, count(*), sum(ms)
  FROM (
    SELECT engine_id, version, 'queue' AS kind, extract(epoch FROM attempt_started_at - ready_at)::double precision * 1000 AS ms
    FROM new_rows WHERE status = 'running' AND attempt_started_at = now()
    UNION ALL
    SELECT engine_id, version, 'run', extract(epoch FROM attempt_ended_at - attempt_started_at)::double precision * 1000
    FROM new_rows WHERE attempt_ended_at = now()
  ) AS timed
  GROUP BY engine_id, version, kind, timing_bucket(ms)
  ORDER BY engine_id, version, kind, timing_bucket(ms)
  ON CONFLICT (slot, engine_id, version, kind, bucket, shard) DO UPDATE SET
    count = t.count + excluded.count,
    total_ms = t.total_ms + excluded.total_ms;
  RETURN NULL;
END $$;

CREATE TRIGGER executions_inserted AFTER INSERT ON executions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_executions();
CREATE TRIGGER executions_updated AFTER UPDATE ON executions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_changed_executions();

-- What engines called outside.
CREATE TABLE outbound_calls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution_id uuid NOT NULL,
  attempt integer NOT NULL,
  dispatch integer NOT NULL,
  step text,
  connection text,
  protocol text NOT NULL,
  method text NOT NULL,
  host text NOT NULL,
  path text NOT NULL,
  status integer,
  error_code text,
  started_at timestamptz NOT NULL,
  duration_ms double precision NOT NULL,
  bytes_sent bigint NOT NULL,
  bytes_received bigint NOT NULL,
  try integer NOT NULL,
  idempotency_key text
);
CREATE INDEX outbound_calls_by_execution ON outbound_calls (execution_id, id);
