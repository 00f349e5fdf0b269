-- Of an engine version only about as much is in the queue as its workers do in half a second; what is beyond that waits
-- here, as wait_reason 'dispatch_pending', and is brought in by turns over callers.

-- Since when one could have started that had to wait here first; ready_at says when it was brought into the queue.
ALTER TABLE executions ADD COLUMN waiting_since timestamptz;
ALTER TABLE engine_counters ADD COLUMN pending bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION count_new_executions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO engine_counters AS c (engine_id, version, shard, accepted, scheduled, queued, ready, pending)
  SELECT engine_id, version, pg_backend_pid() % 64, count(*),
    count(*) FILTER (WHERE status = 'scheduled'),
    count(*) FILTER (WHERE status = 'queued'),
    count(*) FILTER (WHERE status = 'queued' AND wait_reason IS NULL),
    count(*) FILTER (WHERE status = 'queued' AND wait_reason = 'dispatch_pending')
  FROM new_rows GROUP BY engine_id, version ORDER BY engine_id, version
  ON CONFLICT (engine_id, version, shard) DO UPDATE SET
    accepted = c.accepted + excluded.accepted,
    scheduled = c.scheduled + excluded.scheduled,
    queued = c.queued + excluded.queued,
    ready = c.ready + excluded.ready,
    pending = c.pending + excluded.pending;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_changed_executions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM old_rows WHERE finished_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a finished execution never changes';
  END IF;
  INSERT INTO engine_counters AS c
    (engine_id, version, shard, scheduled, queued, ready, pending, running, succeeded, failed, canceled, expired)
  SELECT * FROM (
    SELECT engine_id, version, (pg_backend_pid() % 64)::smallint,
      coalesce(sum(sign) FILTER (WHERE status = 'scheduled'), 0) AS scheduled,
      coalesce(sum(sign) FILTER (WHERE status = 'queued'), 0) AS queued,
      coalesce(sum(sign) FILTER (WHERE status = 'queued' AND wait_reason IS NULL), 0) AS ready,
      coalesce(sum(sign) FILTER (WHERE status = 'queued' AND wait_reason = 'dispatch_pending'), 0) AS pending,
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
  WHERE scheduled <> 0 OR queued <> 0 OR ready <> 0 OR pending <> 0 OR running <> 0
  ORDER BY engine_id, version
  ON CONFLICT (engine_id, version, shard) DO UPDATE SET
    scheduled = c.scheduled + excluded.scheduled,
    queued = c.queued + excluded.queued,
    ready = c.ready + excluded.ready,
    pending = c.pending + excluded.pending,
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
    SELECT engine_id, version, 'queue' AS kind,
      extract(epoch FROM attempt_started_at - coalesce(waiting_since, ready_at))::double precision * 1000 AS ms
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
