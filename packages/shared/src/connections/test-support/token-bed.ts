import { randomBytes } from "node:crypto";
import { createOutbound, parseAllowList } from "@tl-engine/outbound";
import type { Connection, ConnectionAuth, OutboundCall } from "@tl-engine/outbound";
import { createTokenFetcher, type FetchToken } from "@tl-engine/outbound/fetch-token";
import { testConnection } from "@tl-engine/outbound/testing/test-connection.ts";
import { freshDatabase } from "../../../../../test/services.ts";
import { closeDatabase, openDatabase } from "../../db/database.ts";
import { createSecretBox } from "../../secrets/secret-box.ts";
import { openPostgresSignals } from "../../signals/postgres-signals.ts";
import { createTokens, type Tokens, type TokensOptions } from "../oauth-tokens.ts";

/** One worker's part of the tokens: with a pool, signals and a door of its own. */
export interface TokenWorker {
  tokens: Tokens;
  /** Asks for a token, for an execution of its own. */
  ask(connection: Connection, stale?: string | null, signal?: AbortSignal): Promise<string>;
  /** What was put on record. */
  calls: OutboundCall[];
  errors: unknown[];
  /** Statements sent to Postgres so far. */
  statements(): number;
}

export interface WorkerOptions extends Partial<Omit<TokensOptions, "pool" | "box">> {
  databaseUrl?: string;
  boxKeys?: string[];
}

/** A database, and workers that share it. */
export interface TokenBed {
  databaseUrl: string;
  boxKey: string;
  worker(options?: WorkerOptions): TokenWorker;
  /** A connection with this auth, as the database knows it. */
  connect(auth: ConnectionAuth): Promise<Connection>;
  /** What an operator's change does: the same connection with a newer revision. */
  change(connection: Connection, facts?: Partial<Connection>): Promise<Connection>;
  sql<Row extends object>(text: string): Promise<Row[]>;
  close(): Promise<void>;
}

/** @param allow hosts that may be called */
export async function makeTokenBed(allow: () => string): Promise<TokenBed> {
  const database = await freshDatabase();
  const own = openDatabase({
    url: database.url,
    max: 2,
    applicationName: "test",
    onError: () => {},
  });
  const boxKey = randomBytes(32).toString("base64");
  const closing: (() => Promise<unknown>)[] = [];
  let executions = 0;

  return {
    databaseUrl: database.url,
    boxKey,
    worker({ databaseUrl = database.url, boxKeys = [boxKey], ...options } = {}) {
      const errors: unknown[] = [];
      const calls: OutboundCall[] = [];
      const onError = (error: unknown): void => void errors.push(error);
      const { pool, ...db } = openDatabase({
        url: databaseUrl,
        max: 4,
        applicationName: "test",
        onError,
      });
      let statements = 0;
      pool.on("acquire", () => statements++);
      const signals = options.signals ?? openPostgresSignals(databaseUrl, pool, onError);
      const outbound = createOutbound({ allow: parseAllowList(allow()) });
      const fetchToken: FetchToken = createTokenFetcher(async () => outbound, {
        record: (call) => calls.push(call),
      });
      const tokens = createTokens({
        fetchToken,
        onError,
        ...options,
        signals,
        pool,
        box: createSecretBox(boxKeys),
      });
      closing.push(async () => {
        await tokens.close();
        await signals.close();
        await outbound.close();
        await closeDatabase({ pool, ...db });
      });
      return {
        tokens,
        calls,
        errors,
        statements: () => statements,
        ask(connection, stale = null, signal = new AbortController().signal) {
          executions++;
          const cause = { executionId: `e-${executions}`, attempt: 1, dispatch: executions };
          return tokens.token(connection, stale, cause, signal);
        },
      };
    },
    async connect(auth) {
      const id = `c${randomBytes(6).toString("hex")}`;
      const { rows } = await own.pool.query<{ revision: number }>(
        "INSERT INTO connections (id, kind, config) VALUES ($1, 'http', '{}') RETURNING revision::float8",
        [id],
      );
      return testConnection({ id, auth, revision: rows[0]?.revision ?? 0 });
    },
    async change(connection, facts = {}) {
      const { rows } = await own.pool.query<{ revision: number }>(
        "UPDATE connections SET revision = nextval('connection_revisions') WHERE id = $1 RETURNING revision::float8",
        [connection.id],
      );
      return { ...connection, ...facts, revision: rows[0]?.revision ?? 0 };
    },
    sql: async <Row extends object>(text: string) => (await own.pool.query<Row>(text)).rows,
    async close() {
      for (const close of closing.splice(0).toReversed()) await close();
      await closeDatabase(own);
      await database.drop();
    },
  };
}
