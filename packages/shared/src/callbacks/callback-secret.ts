import type { CallbackSecret } from "@tl-engine/contract";
import type pg from "pg";
import type { SecretBox } from "../secrets/secret-box.ts";
import { callbackSecretContext, newSigningSecret } from "./signing-secret.ts";

interface Row {
  secret: string;
  previous_secret: string | null;
  previous_ends_at: Date | null;
  created_at: Date;
}

const columns = `s.secret, s.created_at, CASE WHEN s.previous_ends_at > now() THEN s.previous_secret END AS previous_secret,
  CASE WHEN s.previous_ends_at > now() THEN s.previous_ends_at END AS previous_ends_at`;

/**
 * The secret that signs what goes to URLs of a caller's submits; it is made when it is asked for first.
 * @throws SecretUnreadableError where it was sealed with a key that is not there any more
 */
export async function readCallbackSecret(
  pool: pg.Pool,
  box: SecretBox,
  callerId: string,
): Promise<CallbackSecret> {
  const context = callbackSecretContext(callerId);
  const read = async (): Promise<Row | undefined> => {
    const { rows } = await pool.query<Row>({
      name: "read-callback-secret",
      text: `SELECT ${columns} FROM callback_secrets s WHERE s.caller_id = $1`,
      values: [callerId],
    });
    return rows[0];
  };
  let row = await read();
  if (row === undefined) {
    // Of several that make one at once, the first one's holds for all.
    await pool.query(
      "INSERT INTO callback_secrets (caller_id, secret) VALUES ($1, $2) ON CONFLICT (caller_id) DO NOTHING",
      [callerId, box.seal(newSigningSecret(), context)],
    );
    row = await read();
  }
  if (row === undefined) throw new Error("a callback secret was made and is not there");
  return opened(row, box, context);
}

/**
 * Gives a caller another secret, which signs from now on; the one before signs too for `overlapMs`.
 * @throws SecretUnreadableError as {@link readCallbackSecret}
 */
export async function rotateCallbackSecret(
  pool: pg.Pool,
  box: SecretBox,
  callerId: string,
  overlapMs: number,
): Promise<CallbackSecret> {
  const context = callbackSecretContext(callerId);
  const { rows } = await pool.query<Row>(
    `INSERT INTO callback_secrets AS s (caller_id, secret) VALUES ($1, $2)
     ON CONFLICT (caller_id) DO UPDATE SET secret = excluded.secret, created_at = now(),
       previous_secret = CASE WHEN $3::float8 > 0 THEN s.secret END,
       previous_ends_at = CASE WHEN $3::float8 > 0 THEN now() + $3::float8 * interval '1 millisecond' END
     RETURNING ${columns}`,
    [callerId, box.seal(newSigningSecret(), context), overlapMs],
  );
  if (rows[0] === undefined) throw new Error("Postgres said nothing");
  return opened(rows[0], box, context);
}

function opened(row: Row, box: SecretBox, context: string): CallbackSecret {
  return {
    secret: box.open(row.secret, context),
    previous_secret: row.previous_secret && box.open(row.previous_secret, context),
    previous_secret_ends_at: row.previous_ends_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}
