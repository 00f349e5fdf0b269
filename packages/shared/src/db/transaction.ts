import type pg from "pg";

/**
 * Does some work in one transaction: its commit when that resolves, none of it when it rejects.
 * @throws what the work throws, and what Postgres says
 */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query("BEGIN");
    try {
      const result = await work(client);
      await client.query("COMMIT");
      broken = false;
      return result;
    } catch (error) {
      await client.query("ROLLBACK").then(
        () => (broken = false),
        () => undefined,
      );
      throw error;
    }
  } finally {
    // One in an unknown state is not used again.
    client.release(broken);
  }
}
