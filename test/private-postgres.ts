import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { startEmbeddedPostgres } from "@tl-engine/local/embedded-postgres.ts";
import { isPostgres } from "@tl-engine/local/postmaster-file.ts";
import { makeRunFolder } from "./left-behind.ts";

/** A PostgreSQL of one suite's own, to be stopped and killed. Takes 1.2 s: most suites want `freshDatabase`. */
export interface PrivatePostgres {
  /** Its database `tl_engine`, not migrated. The same after a restart. */
  readonly url: string;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Ends all sessions and stops it. */
  stop(): Promise<void>;
  /** SIGKILL; the next start recovers. */
  kill(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

export async function startPrivatePostgres(): Promise<PrivatePostgres> {
  const dataDir = makeRunFolder();
  let server = await startEmbeddedPostgres({ dataDir, fast: true });
  const { port } = server;
  return {
    url: server.connectionString(),
    start: async () => {
      server = await startEmbeddedPostgres({ dataDir, fast: true, port });
      if (server.port !== port)
        throw new Error(`Port ${port} was taken while the private PostgreSQL was away`);
    },
    stop: () => server.stop(),
    kill: async () => {
      process.kill(server.pid, "SIGKILL");
      while (isPostgres(server.pid)) await delay(10);
    },
    remove: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
