import type pg from "pg";
import { RemoteEngineInvalidError } from "./remote-engine-errors.ts";

/** @throws RemoteEngineInvalidError where there is no such connection, or one of another kind */
export async function checkConnection(
  client: Pick<pg.ClientBase, "query">,
  connection: string,
): Promise<void> {
  const { rows } = await client.query<{ kind: string }>(
    "SELECT kind FROM connections WHERE id = $1",
    [connection],
  );
  const [row] = rows;
  if (row?.kind === "http") return;
  const detail =
    row === undefined
      ? `there is no connection ${connection}; make it first`
      : `the connection ${connection} is of kind ${row.kind}, and a service is called over http`;
  throw new RemoteEngineInvalidError([{ pointer: "/connection", detail }]);
}
