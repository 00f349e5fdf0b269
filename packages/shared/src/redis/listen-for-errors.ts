import type { EventEmitter } from "node:events";

/**
 * Hears a connection's errors, so that none ends the process, and passes on the first one of each
 * outage: a connection that is tried again every second would say the same each second.
 */
export function listenForErrors(redis: EventEmitter, onError: (error: Error) => void): void {
  let told = false;
  redis.on("error", (error: Error) => {
    if (!told) onError(error);
    told = true;
  });
  redis.on("ready", () => {
    told = false;
  });
}
