-- Where the queue is on Postgres, its commits do not wait for the disk: a crash keeps the record and loses the end of the
-- queue. A crash, and a failover, also empties unlogged tables: the number that is missing here says that it happened.
CREATE UNLOGGED TABLE queue_canary (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  tick bigint NOT NULL
) WITH (fillfactor = 50);
