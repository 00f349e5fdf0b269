-- What came of an attempt that was somebody else's by then: the result is dropped, and that it came is told beside the
-- attempt. It is no part of the execution's row, which never changes once it is finished. Whose it was stands in the
-- attempt. Whoever deletes executions deletes these by execution_id.
CREATE TABLE late_results (
  execution_id uuid NOT NULL,
  dispatch integer NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
  error_code text,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (execution_id, dispatch),
  CHECK ((outcome = 'failed') = (error_code IS NOT NULL))
);
