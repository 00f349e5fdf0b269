-- What callers are told of what became of their executions, signed by Standard Webhooks.

-- A URL, or an endpoint by its id, that hears of this execution: {"url": "…"} or {"endpoint": "whe_…"}.
ALTER TABLE executions ADD COLUMN callback json;

-- Addresses that callers have registered.
CREATE TABLE webhook_endpoints (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^whe_[0-9a-z]{24}$'),
  caller_id text COLLATE "C" NOT NULL,
  url text NOT NULL,
  description text NOT NULL DEFAULT '',
  -- `execution.succeeded` and so on; null: all of them; empty: only what names this endpoint in its callback.
  events text[],
  -- Engines whose executions it hears of; null: all.
  engines text[],
  -- Envelopes, bound to `webhook-endpoint:<id>`. Both sign until the previous one ends.
  secret text NOT NULL CHECK (secret LIKE 'v1.%'),
  previous_secret text CHECK (previous_secret LIKE 'v1.%'),
  previous_ends_at timestamptz(3),
  is_active boolean NOT NULL DEFAULT true,
  disabled_at timestamptz(3),
  disabled_reason text CHECK (disabled_reason IN ('gone', 'failing', 'by_request')),
  -- Since when no delivery has succeeded, and how the latest one failed; null: the latest one succeeded, or there was none.
  failing_since timestamptz(3),
  last_error text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CHECK (is_active = (disabled_at IS NULL)),
  CHECK (is_active = (disabled_reason IS NULL)),
  CHECK ((previous_secret IS NULL) = (previous_ends_at IS NULL))
);
CREATE INDEX webhook_endpoints_by_caller ON webhook_endpoints (caller_id, created_at DESC, id DESC);

-- What signs the deliveries to a URL that was given with a submit: one for each caller, made when it is needed first.
CREATE TABLE callback_secrets (
  caller_id text COLLATE "C" PRIMARY KEY,
  -- Envelopes, bound to `callback-secret:<caller_id>`.
  secret text NOT NULL CHECK (secret LIKE 'v1.%'),
  previous_secret text CHECK (previous_secret LIKE 'v1.%'),
  previous_ends_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CHECK ((previous_secret IS NULL) = (previous_ends_at IS NULL))
);

-- One row for each finished execution and each address that hears of it. Whoever deletes executions deletes these by
-- execution_id.
CREATE TABLE callback_deliveries (
  -- The `webhook-id`: the same in every try.
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- null: a test of an endpoint.
  execution_id uuid,
  caller_id text COLLATE "C" NOT NULL,
  -- null: the callback's own URL.
  endpoint_id text COLLATE "C",
  url text NOT NULL,
  -- What may be slow or dead as one: the endpoint, or the origin of the URL.
  target text COLLATE "C" NOT NULL,
  event text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'gone', 'disabled')),
  tries integer NOT NULL DEFAULT 0,
  -- When it is due; while it is being sent: when somebody else may take it over.
  next_at timestamptz,
  -- Grows with each time that it is taken, and fences off late results.
  claims integer NOT NULL DEFAULT 0,
  claimed_by uuid,
  claimed_until timestamptz,
  last_tried_at timestamptz(3),
  last_status integer,
  last_error text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  finished_at timestamptz(3),
  CHECK ((status = 'pending') = (next_at IS NOT NULL)),
  CHECK ((status = 'pending') = (finished_at IS NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

-- Exactly one for an execution and an address.
CREATE UNIQUE INDEX callback_deliveries_once ON callback_deliveries (execution_id, coalesce(endpoint_id, ''))
  WHERE execution_id IS NOT NULL;
CREATE INDEX callback_deliveries_due ON callback_deliveries (next_at) WHERE status = 'pending';
-- Callers take turns, and so do the addresses of each.
CREATE INDEX callback_deliveries_in_turn ON callback_deliveries (caller_id, target, next_at) WHERE status = 'pending';
CREATE INDEX callback_deliveries_of_tests ON callback_deliveries (endpoint_id, created_at) WHERE execution_id IS NULL;

-- In the transaction that finishes an execution, whatever finishes it. The first look ends it for nearly all statements:
-- nothing has finished, or nobody wants to hear of it.
CREATE FUNCTION make_callback_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM new_rows n WHERE n.finished_at IS NOT NULL AND (n.callback IS NOT NULL
      OR EXISTS (SELECT FROM webhook_endpoints w WHERE w.caller_id = n.caller_id AND w.is_active))
  ) THEN
    RETURN NULL;
  END IF;

  INSERT INTO callback_deliveries (execution_id, caller_id, endpoint_id, url, target, event, status, next_at, last_error,
    finished_at)
  SELECT n.id, n.caller_id, t.endpoint_id, t.url, coalesce(t.endpoint_id, substring(t.url FROM '^[a-z]+://[^/?#]*'), t.url),
    'execution.' || n.status, CASE WHEN t.is_active THEN 'pending' ELSE 'disabled' END,
    CASE WHEN t.is_active THEN now() END, CASE WHEN NOT t.is_active THEN 'the endpoint is switched off or removed' END,
    CASE WHEN NOT t.is_active THEN now() END
  FROM new_rows n CROSS JOIN LATERAL (
    SELECT NULL AS endpoint_id, n.callback ->> 'url' AS url, true AS is_active WHERE n.callback ->> 'url' IS NOT NULL
    UNION ALL
    SELECT n.callback ->> 'endpoint', coalesce(w.url, ''), coalesce(w.is_active, false)
    FROM (SELECT 1) AS one LEFT JOIN webhook_endpoints w ON w.id = n.callback ->> 'endpoint' AND w.caller_id = n.caller_id
    WHERE n.callback ->> 'endpoint' IS NOT NULL
    UNION ALL
    SELECT w.id, w.url, true FROM webhook_endpoints w
    WHERE w.caller_id = n.caller_id AND w.is_active AND w.id IS DISTINCT FROM n.callback ->> 'endpoint'
      AND (w.events IS NULL OR 'execution.' || n.status = ANY (w.events))
      AND (w.engines IS NULL OR n.engine_id = ANY (w.engines))
  ) AS t
  WHERE n.finished_at IS NOT NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE TRIGGER executions_finished AFTER UPDATE ON executions
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION make_callback_deliveries();
