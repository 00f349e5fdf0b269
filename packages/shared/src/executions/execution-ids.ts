import { v7 as uuidv7 } from "uuid";

/**
 * Makes execution ids: UUIDv7 (RFC 9562, 5.7) whose time is Postgres', so that lists go by the time of recording,
 * whichever process accepted an execution and whatever its own clock says. Ids of one process grow, also within a
 * millisecond and where the time steps back.
 * @param now ms since 1970
 */
export function createExecutionIds(now: () => number): () => string {
  let msecs = 0;
  let seq = 0;
  return () => {
    const at = Math.floor(now());
    if (at > msecs) {
      msecs = at;
      // Half of the range is left to count up in.
      seq = Math.floor(Math.random() * 2 ** 31);
    } else {
      seq += 1;
    }
    return uuidv7({ msecs, seq });
  };
}
