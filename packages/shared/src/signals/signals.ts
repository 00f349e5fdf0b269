/** What processes tell one another. `settled`: ids, comma-separated; the others say that something changed. */
export const channels = [
  "settled",
  "cancel",
  "keys",
  "catalogue",
  "connections",
  "breakers",
  "places",
  "tokens",
] as const;
export type Channel = (typeof channels)[number];

/**
 * Hints between processes. Any of them may be lost; whoever listens also asks Postgres from time to time, and that
 * alone is enough.
 */
export interface Signals {
  /** Sends without waiting; never throws. */
  publish(channel: Channel, payload: string): void;
  subscribe(channel: Channel, hear: (payload: string) => void): void;
  close(): Promise<void>;
}

/** Those who listen in this process. */
export function makeListeners(): {
  add(channel: Channel, hear: (payload: string) => void): void;
  tell(channel: string, payload: string): void;
} {
  const byChannel = new Map<string, ((payload: string) => void)[]>();
  return {
    add(channel, hear) {
      byChannel.set(channel, [...(byChannel.get(channel) ?? []), hear]);
    },
    tell(channel, payload) {
      for (const hear of byChannel.get(channel) ?? []) hear(payload);
    },
  };
}
