import type pg from "pg";

/** What a process says of its calls through one connection. */
export interface PlacesAsked {
  readonly connectionId: string;
  readonly processId: string;
  /** Calls at once over all processes. */
  readonly limit: number;
  /** Calls that this process has under way. */
  readonly inUse: number;
  /** Calls that wait in this process. */
  readonly waiting: number;
}

export interface PlacesGiven {
  /** How many more it may make. */
  readonly taken: number;
  /** Others wait: what becomes free is theirs first. */
  readonly othersWait: boolean;
  /** It has to be said aloud: this process waits since now, or gave up what others wait for. */
  readonly isNews: boolean;
}

/** Who waits says so anew every second. What somebody said who has not for that long does not count, ms. */
const silentMs = 3_000;

// All of it stands in one row, so that it is reckoned by the newest state however many processes ask at once. A process
// counts for as long as its row in `processes` is there: that goes when its lease has ended, by a leader who knows that
// the lease could be renewed.
const statement = `
UPDATE connection_places c SET (holders, given) = (
  SELECT m.others || CASE WHEN m.held + m.wanted = 0 THEN '{}' ELSE jsonb_build_object($2::text, jsonb_build_object(
      'held', m.held, 'wanted', m.wanted, 'since', CASE WHEN m.taken > 0 THEN m.now ELSE m.since END, 'at', m.now)) END,
    jsonb_build_object('taken', m.taken, 'others', m.others_wanted > 0,
      'news', (m.wanted > 0 AND m.had_wanted = 0) OR (m.held < m.had_held AND m.others_wanted > 0))
  FROM (
    SELECT t.*, $4::int + t.taken AS held, $5::int - t.taken AS wanted
    FROM (
      SELECT o.*, greatest(0, least($5::int, $3::int - o.others_held - $4::int - o.earlier))::int AS taken
      FROM (
        SELECT mine.now, mine.since, mine.had_held, mine.had_wanted,
          coalesce(jsonb_object_agg(h.key, h.value) FILTER (WHERE h.key IS NOT NULL), '{}') AS others,
          coalesce(sum((h.value ->> 'held')::int), 0) AS others_held,
          coalesce(sum((h.value ->> 'wanted')::int) FILTER (WHERE h.said), 0) AS others_wanted,
          coalesce(sum((h.value ->> 'wanted')::int) FILTER (WHERE h.said AND (h.value ->> 'since')::float8 < mine.since), 0) AS earlier
        FROM (
          SELECT n.now, coalesce((c.holders -> $2 ->> 'held')::int, 0) AS had_held,
            coalesce((c.holders -> $2 ->> 'wanted')::int, 0) AS had_wanted,
            CASE WHEN (c.holders -> $2 ->> 'wanted')::int > 0 THEN (c.holders -> $2 ->> 'since')::float8 ELSE n.now END AS since
          FROM (SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now) AS n
        ) AS mine LEFT JOIN LATERAL (
          SELECT e.key, e.value, (e.value ->> 'at')::float8 > mine.now - ${silentMs} AS said
          FROM jsonb_each(c.holders) AS e
          WHERE e.key <> $2
            AND EXISTS (SELECT FROM processes p WHERE p.id::text = e.key AND p.lease_until > '-infinity')
        ) AS h ON true
        GROUP BY mine.now, mine.since, mine.had_held, mine.had_wanted
      ) AS o
    ) AS t
  ) AS m
) WHERE c.connection_id = $1
RETURNING (given ->> 'taken')::int AS taken, (given ->> 'others')::bool AS "othersWait",
  (given ->> 'news')::bool AS "isNews"`;

/**
 * Says how many calls a process makes and wants to make through a connection, and gives it what is free and its turn: never
 * more than the limit over all processes. Those that came first are first; who was given something goes to the end.
 */
export async function holdPlaces(pool: pg.Pool, asked: PlacesAsked): Promise<PlacesGiven> {
  const { connectionId, processId, limit, inUse, waiting } = asked;
  const ask = async (): Promise<PlacesGiven | undefined> => {
    const { rows } = await pool.query<PlacesGiven>({
      name: "hold-places",
      text: statement,
      values: [connectionId, processId, limit, inUse, waiting],
    });
    return rows[0];
  };
  const given = await ask();
  if (given !== undefined) return given;
  await pool.query(
    "INSERT INTO connection_places (connection_id) VALUES ($1) ON CONFLICT (connection_id) DO NOTHING",
    [connectionId],
  );
  return (await ask()) ?? { taken: 0, othersWait: false, isNews: false };
}
