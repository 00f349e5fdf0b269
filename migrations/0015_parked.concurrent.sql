-- What waits for a circuit, in the order in which it was parked. Nothing else is in it, so that nothing else writes it.
CREATE INDEX CONCURRENTLY executions_parked ON executions (blocked_by, attempt_ended_at, id)
  WHERE status = 'queued' AND wait_reason = 'circuit_open' AND due_at IS NULL;
