import type pg from "pg";

/**
 * Blocks of tables and indexes that are read or hit by what `work` does, over the whole database: what it costs, whatever
 * the clock says. Nobody else may use the database meanwhile.
 */
export async function blocksTouched(pool: pg.Pool, work: () => Promise<unknown>): Promise<number> {
  const before = await touched(pool);
  await work();
  return (await touched(pool)) - before;
}

async function touched(pool: pg.Pool): Promise<number> {
  // Each session tells what it counted at the latest when it is asked for it.
  await Promise.all(
    Array.from({ length: Math.max(1, pool.totalCount) }, () =>
      pool.query("SELECT pg_stat_force_next_flush(), pg_sleep(0.05)"),
    ),
  );
  const { rows } = await pool.query<{ blocks: string }>(
    `SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)) AS blocks
     FROM pg_statio_user_tables WHERE schemaname = 'public'`,
  );
  return Number(rows[0]?.blocks);
}
