import pg from "pg";
import { keepAliveInitialDelayMillis } from "../db/database.ts";
import { channels, makeListeners, type Signals } from "./signals.ts";

const prefix = "tl_signal_";
/** NOTIFY takes less than 8000 bytes. */
const maxPayload = 7_900;
const retryMs = 500;

/** Signals over Postgres' NOTIFY, where there is no Redis. */
export function openPostgresSignals(
  url: string,
  pool: pg.Pool,
  onError: (error: Error) => void,
): Signals {
  const listeners = makeListeners();
  let listening = false;
  let closed = false;
  let client: pg.Client | null = null;
  let retry: NodeJS.Timeout | null = null;

  async function listen(): Promise<void> {
    const mine = new pg.Client({
      connectionString: url,
      application_name: "tl-signals",
      connectionTimeoutMillis: 2_000,
      keepAlive: true,
      keepAliveInitialDelayMillis,
    });
    client = mine;
    let gone = false;
    const again = (error?: Error): void => {
      if (gone) return;
      gone = true;
      if (error !== undefined) onError(error);
      mine.end().catch(() => {});
      // A dropped LISTEN is made again; one that is not loses every signal for ever.
      if (!closed) retry = setTimeout(() => void listen(), retryMs);
    };
    mine.on("error", again);
    mine.on("end", () => again());
    mine.on("notification", ({ channel, payload }) =>
      listeners.tell(channel.slice(prefix.length), payload ?? ""),
    );
    try {
      await mine.connect();
      await mine.query(channels.map((channel) => `LISTEN ${prefix}${channel}`).join("; "));
    } catch (error) {
      again(error as Error);
    }
  }

  return {
    publish(channel, payload) {
      for (const part of split(payload)) {
        pool.query("SELECT pg_notify($1, $2)", [prefix + channel, part]).catch(onError);
      }
    },
    subscribe(channel, hear) {
      listeners.add(channel, hear);
      if (listening) return;
      listening = true;
      void listen();
    },
    async close() {
      closed = true;
      if (retry !== null) clearTimeout(retry);
      await client?.end().catch(() => {});
    },
  };
}

/** Cuts a list of ids at its commas into parts that fit. */
function split(payload: string): string[] {
  if (payload.length <= maxPayload) return [payload];
  const cut = payload.lastIndexOf(",", maxPayload);
  if (cut <= 0) return [payload.slice(0, maxPayload)];
  return [payload.slice(0, cut), ...split(payload.slice(cut + 1))];
}
