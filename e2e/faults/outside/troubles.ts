import type { Backend } from "../backend.ts";
import type { Fault } from "../faults/fault.ts";
import { postgresAway, sessionsCut } from "../faults/postgres.ts";
import { apiKilled, rolledOver, workerKilled } from "../faults/processes.ts";
import { redisFlushed } from "../faults/redis.ts";

/** What work that waits for somebody outside has to survive. */
export const troubles: readonly Fault[] = [
  workerKilled,
  redisFlushed,
  postgresAway,
  apiKilled,
  sessionsCut,
  rolledOver,
];

export function troublesOn(backend: Backend): Fault[] {
  return troubles.filter(({ backends }) => backends.includes(backend));
}
