import { setTimeout as delay } from "node:timers/promises";
import { startEmbeddedPostgres, type EmbeddedPostgresOptions } from "./embedded-postgres.ts";
import { isPostgres } from "./postmaster-file.ts";

export interface KeptPostgres {
  /** Connection string of the one that runs now. */
  url(): string;
  stop(): Promise<void>;
}

export interface KeepPostgresOptions extends EmbeddedPostgresOptions {
  say: (sentence: string) => void;
  /** Told when it came back under another address, because its port was taken meanwhile. */
  onMoved: () => void;
}

/** Starts the embedded PostgreSQL, and starts it again (same port) whenever its process is gone. */
export async function keepPostgres({
  say,
  onMoved,
  ...options
}: KeepPostgresOptions): Promise<KeptPostgres> {
  let server = await startEmbeddedPostgres(options);
  const stopping = new AbortController();
  const watching = watch();

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      await delay(500, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted || isPostgres(server.pid)) continue;
      say("PostgreSQL ended; it starts again.");
      const former = server.port;
      const restarted = await startEmbeddedPostgres({ ...options, port: former }).catch(
        (error: unknown) => {
          say(error instanceof Error ? error.message : String(error));
          return null;
        },
      );
      if (restarted === null) continue;
      server = restarted;
      if (server.port !== former) onMoved();
    }
  }

  return {
    url: () => server.connectionString(),
    stop: async () => {
      stopping.abort();
      await watching;
      await server.stop();
    },
  };
}
