/** Connections of each process' pool to Postgres, at most. They are opened on demand. */
export const poolSize = { api: 20, worker: 10 } as const;

/** Connections that the queue holds where it is on Postgres: eight, and one to listen for each queue that is consumed. */
export function queuePoolSize(consumed: number): number {
  return consumed + 8;
}

/**
 * Connections to Postgres that a process takes at most.
 * @param consumed engine versions that it serves
 */
export function connectionsOf(
  kind: keyof typeof poolSize,
  consumed: number,
  onRedis: boolean,
): number {
  if (onRedis) return poolSize[kind];
  // One more listens for signals.
  return poolSize[kind] + queuePoolSize(consumed) + 1;
}
