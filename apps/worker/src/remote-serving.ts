import type { Log } from "@tl-engine/shared/log/log.ts";
import type {
  RegisteredEngine,
  RemoteEngineReader,
} from "@tl-engine/shared/remote-engines/read-remote-engines.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import type { ServedEngine } from "./served-engine.ts";

/** How often it is looked what is registered, without a signal, ms. */
const everyMs = 5_000;

export interface RemoteServingOptions {
  reader: RemoteEngineReader;
  signals: Pick<Signals, "subscribe">;
  /** Whether this worker may serve engines of this id. */
  mayServe(id: string): boolean;
  /** Engine versions that it serves at most. */
  limit: number;
  /** Begins to take its executions. */
  serve(engine: RegisteredEngine): ServedEngine;
  /** Takes no more of them; what runs goes on. */
  unserve(engine: ServedEngine): Promise<void>;
  /** Tells everybody what this worker serves now. */
  announce(): Promise<void>;
  onError: (error: unknown) => void;
  log: Log;
}

export interface RemoteServing {
  /** Resolves when what is registered now is served. */
  look(): Promise<void>;
  stop(): void;
}

/**
 * Serves remote engines as they come and go: learned of by signal, and by a look every few seconds. One that was changed
 * is served anew; what runs of it goes on as it began.
 */
export function startRemoteServing(options: RemoteServingOptions): RemoteServing {
  const { reader, limit, log, onError } = options;
  const serving = new Map<string, { revision: number; engine: ServedEngine }>();
  let leftOut = "";
  let owesAnnouncement = false;
  let stopped = false;
  let looking: Promise<void> | null = null;
  let again = false;

  /** Said when it changes: an operator who registers one more than fits has to hear of it. */
  function tellLeftOut(rest: readonly RegisteredEngine[]): void {
    const names = rest.map(({ descriptor: { id, version } }) => `${id}@${version}`);
    if (names.join() === leftOut) return;
    leftOut = names.join();
    if (names.length === 0) return;
    log.warn(
      { engines: names, limit },
      "more remote engines are registered than this worker serves (TL_WORKER_REMOTE_ENGINES); these are left to others",
    );
  }

  async function lookOnce(): Promise<void> {
    const mine = (await reader.read()).filter(({ descriptor }) => options.mayServe(descriptor.id));
    if (stopped) return;
    const wanted = new Map<string, RegisteredEngine>(
      mine
        .slice(0, limit)
        .map((one) => [`${one.descriptor.id}@${one.descriptor.version}`, one] as const),
    );
    tellLeftOut(mine.slice(limit));
    for (const [name, { revision, engine }] of serving) {
      if (wanted.get(name)?.revision === revision) continue;
      serving.delete(name);
      owesAnnouncement = true;
      if (!wanted.has(name)) log.info({ engine: name }, "a remote engine is no longer served");
      await options.unserve(engine);
    }
    for (const [name, one] of wanted) {
      if (serving.has(name)) continue;
      serving.set(name, { revision: one.revision, engine: options.serve(one) });
      owesAnnouncement = true;
      log.info({ engine: name, connection: one.connection }, "a remote engine is served");
    }
    if (!owesAnnouncement) return;
    await options.announce();
    owesAnnouncement = false;
  }

  function look(): Promise<void> {
    if (looking !== null) {
      again = true;
      return looking;
    }
    looking = (async () => {
      do {
        again = false;
        await lookOnce();
      } while (again && !stopped);
    })().finally(() => {
      looking = null;
    });
    return looking;
  }

  const lookAndTell = (): void => {
    if (!stopped) void look().catch(onError);
  };
  options.signals.subscribe("catalogue", lookAndTell);
  const timer = setInterval(lookAndTell, everyMs);
  timer.unref();
  return {
    look,
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}
