-- One call, which is written once however often that is tried; all calls, newest first; and those that have to leave by their age.
CREATE UNIQUE INDEX CONCURRENTLY outbound_calls_by_call ON outbound_calls (call_id);
-- A caller's own, newest first.
CREATE INDEX CONCURRENTLY outbound_calls_by_caller ON outbound_calls (caller_id, call_id DESC);
-- A connection's, newest first.
CREATE INDEX CONCURRENTLY outbound_calls_by_connection ON outbound_calls (connection, call_id DESC) WHERE connection IS NOT NULL;
