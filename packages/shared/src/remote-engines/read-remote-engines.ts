import type { Database } from "../db/database.ts";
import type { EngineDescriptor } from "../catalogue/publish.ts";

/** A registered version, as a worker needs it. */
export interface RegisteredEngine {
  descriptor: EngineDescriptor;
  connection: string;
  method: string;
  path: string;
  /** Another one with every change, never used twice. */
  revision: number;
}

interface Row {
  revision: number;
  /** null: this revision is known. */
  content: (EngineDescriptor & Pick<RegisteredEngine, "connection" | "method" | "path">) | null;
}

/** Reads what is registered, each version whole only where it has changed. */
export interface RemoteEngineReader {
  /** Oldest registration first, so that what is registered last is what does not fit. @throws what Postgres says */
  read(): Promise<readonly RegisteredEngine[]>;
}

/** See {@link RemoteEngineReader}. */
export function createRemoteEngineReader({ pool }: Database): RemoteEngineReader {
  let known = new Map<number, RegisteredEngine>();
  return {
    async read() {
      const { rows } = await pool.query<Row>({
        name: "read-remote-engines",
        text: `SELECT r.revision::float8 AS revision, CASE WHEN r.revision <> ALL ($1::bigint[]) THEN json_build_object(
            'id', r.engine_id, 'version', r.version, 'title', v.title, 'description', v.description,
            'input_schema', v.input_schema, 'output_schema', v.output_schema, 'example', v.example, 'policy', v.policy,
            'connection', r.connection, 'method', r.method, 'path', r.path) END AS content
          FROM remote_engines r JOIN engine_versions v ON v.engine_id = r.engine_id AND v.version = r.version
          ORDER BY r.created_at, r.engine_id, r.version`,
        values: [[...known.keys()]],
      });
      const engines = rows.flatMap(({ revision, content }) => {
        const before = known.get(revision);
        if (before !== undefined) return [before];
        if (content === null) return [];
        const { connection, method, path, ...descriptor } = content;
        return [{ descriptor, connection, method, path, revision }];
      });
      known = new Map(engines.map((engine) => [engine.revision, engine]));
      return engines;
    },
  };
}
