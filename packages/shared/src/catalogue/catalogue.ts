import type { RemoteEngine } from "@tl-engine/contract";
import type { Database } from "../db/database.ts";
import type { Signals } from "../signals/signals.ts";
import type { EnginePolicy } from "./policy.ts";

/** An engine version as the API knows it. */
export interface EngineVersion {
  id: string;
  version: number;
  title: string;
  description: string | null;
  inputSchema: Record<string, unknown>;
  outputSchema: Record<string, unknown>;
  example: unknown;
  policy: EnginePolicy;
  /** Changes with the content, never with anything else. */
  fingerprint: string;
  /** Whether a live worker serves it. */
  live: boolean;
  /** How the service of a remote engine is reached; null: workers run it themselves. */
  remote: RemoteEngine | null;
}

/** The published engines, in this process' memory. */
export interface Catalogue {
  /** Resolves once it was read; rejects where Postgres is away. */
  ready(): Promise<void>;
  /** Reads it anew, with all that is committed by now. @throws what Postgres says */
  refresh(): Promise<void>;
  /**
   * The version that `resize` (the highest with a live worker, else the highest) or `resize@2` stands for. Of remote
   * engines those that take nothing new come last.
   * Asks Postgres once more before it says that there is none. @throws what Postgres says
   */
  resolve(ref: string): Promise<EngineVersion | null>;
  /** All versions of one engine, highest first; empty where there is none. */
  versions(id: string): EngineVersion[];
  /** Ids of all engines, sorted. */
  ids(): string[];
  close(): void;
}

/** How often it is read anew without a signal, ms. */
const refreshMs = 5_000;
/** How old it may be when an engine is said not to exist, ms. */
const freshMs = 500;

interface CatalogueRow {
  engine_id: string;
  version: number;
  title: string;
  description: string | null;
  input_schema: Record<string, unknown>;
  output_schema: Record<string, unknown>;
  example: unknown;
  policy: EnginePolicy;
  fingerprint: string;
  live: boolean;
  connection: string | null;
  method: string;
  path: string;
  is_active: boolean;
  revision: number;
}

/** Keeps the published engines in memory: read at start, at each signal, and every few seconds. */
export function createCatalogue(
  { pool }: Database,
  signals: Signals,
  onError: (error: unknown) => void,
): Catalogue {
  let engines = new Map<string, EngineVersion[]>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;
  let closed = false;

  function read(): Promise<void> {
    reading ??= load().finally(() => {
      reading = null;
    });
    return reading;
  }

  async function load(): Promise<void> {
    const at = performance.now();
    // What nobody has served for a week and nobody waits for has left the catalogue; what is registered stays.
    const { rows } = await pool.query<CatalogueRow>({
      name: "read-catalogue",
      // Each column by its name, as in all statements: `*` would be another row after a migration that adds one, and the
      // plan that this session keeps by the statement's name would be refused from then on.
      text: `SELECT v.engine_id, v.version, v.title, v.description, v.input_schema, v.output_schema, v.example, v.policy,
          v.fingerprint, l.live, r.connection, r.method, r.path, r.is_active, r.revision::float8 AS revision
        FROM engine_versions v LEFT JOIN remote_engines r ON r.engine_id = v.engine_id AND r.version = v.version CROSS JOIN LATERAL (SELECT EXISTS (
          SELECT FROM process_engines s JOIN processes p ON p.id = s.process_id
          WHERE s.engine_id = v.engine_id AND s.version = v.version AND p.lease_until > now() AND NOT p.draining) AS live) AS l
        WHERE l.live OR r.engine_id IS NOT NULL OR v.last_served_at > now() - interval '7 days' OR EXISTS (SELECT FROM engine_counters c
          WHERE c.engine_id = v.engine_id AND c.version = v.version
          GROUP BY c.engine_id HAVING sum(queued + scheduled + running) > 0)
        ORDER BY v.engine_id, v.version DESC`,
    });
    const known = new Map([...engines.values()].flat().map((e) => [`${e.id}@${e.version}`, e]));
    engines = Map.groupBy(
      rows.map((row) => {
        const before = known.get(`${row.engine_id}@${row.version}`);
        // The same content keeps its object, so that what others derived from it stays good.
        return before?.fingerprint === row.fingerprint &&
          before.live === row.live &&
          before.remote?.revision === (row.connection === null ? undefined : row.revision) &&
          before.title === row.title
          ? before
          : engineOf(row);
      }),
      (engine) => engine.id,
    );
    readAt = at;
  }

  signals.subscribe("catalogue", () => {
    if (!closed) void read().catch(onError);
  });
  const timer = setInterval(() => void read().catch(onError), refreshMs);
  timer.unref();

  function find(ref: string): EngineVersion | null {
    const [id = "", version] = ref.split("@");
    const versions = engines.get(id) ?? [];
    if (version !== undefined) {
      return versions.find((engine) => engine.version === Number(version)) ?? null;
    }
    const offered = versions.filter(({ remote }) => remote?.is_active !== false);
    const best = offered.length > 0 ? offered : versions;
    return best.find((engine) => engine.live) ?? best[0] ?? null;
  }

  return {
    async ready() {
      if (readAt === Number.NEGATIVE_INFINITY) await read();
    },
    async refresh() {
      // One that is under way may have begun before what the caller knows of.
      await reading?.catch(() => undefined);
      await read();
    },
    async resolve(ref) {
      const found = find(ref);
      if (found !== null || performance.now() - readAt < freshMs) return found;
      await read();
      return find(ref);
    },
    versions: (id) => engines.get(id) ?? [],
    ids: () => [...engines.keys()].sort(),
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

function engineOf(row: CatalogueRow): EngineVersion {
  return {
    id: row.engine_id,
    version: row.version,
    title: row.title,
    description: row.description,
    inputSchema: row.input_schema,
    outputSchema: row.output_schema,
    example: row.example,
    policy: row.policy,
    fingerprint: row.fingerprint,
    live: row.live,
    remote:
      row.connection === null
        ? null
        : {
            connection: row.connection,
            method: row.method,
            path: row.path,
            is_active: row.is_active,
            revision: row.revision,
          },
  };
}
