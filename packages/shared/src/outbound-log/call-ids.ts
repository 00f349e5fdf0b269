import { v7 as uuidv7 } from "uuid";

/**
 * Makes ids of outbound calls: UUIDv7 (RFC 9562, 5.7) whose time is that of the call's start, so that a list by id is one
 * by time. Calls of one process that started within the same millisecond go in the order in which they were told.
 */
export function createCallIds(): (startedAtMs: number) => string {
  let seq = Math.floor(Math.random() * 2 ** 31);
  return (startedAtMs) => {
    seq = (seq + 1) % 2 ** 31;
    return uuidv7({ msecs: Math.max(0, Math.floor(startedAtMs)), seq });
  };
}

/** The smallest id of a moment, ms since 1970. */
export function lowestCallId(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0").slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}
