-- By caller, for fair turns.
CREATE INDEX CONCURRENTLY executions_pending ON executions (engine_id, version, caller_id, priority, id)
  WHERE status = 'queued' AND wait_reason = 'dispatch_pending';
-- How long the oldest one has waited.
CREATE INDEX CONCURRENTLY executions_pending_since ON executions (engine_id, version, waiting_since)
  WHERE status = 'queued' AND wait_reason = 'dispatch_pending';
