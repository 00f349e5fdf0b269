/** Facts of an unfinished execution that say how soon to ask again. */
interface Unfinished {
  status: string;
  created_at: Date;
  run_at: Date | null;
}

/**
 * Seconds after which it is worth asking again: 1 at first, more the longer it takes already, at most 10; and not
 * before a scheduled one is due, though at least once a minute.
 * @param now by the same clock as the execution's times, ms
 */
export function retryAfterSeconds(execution: Unfinished, now: number): number {
  const untilDue = execution.run_at ? (execution.run_at.getTime() - now) / 1000 : 0;
  if (execution.status === "scheduled" && untilDue > 1) return Math.min(60, Math.ceil(untilDue));
  const ageSeconds =
    (now - Math.max(execution.created_at.getTime(), execution.run_at?.getTime() ?? 0)) / 1000;
  return Math.min(10, Math.max(1, Math.floor(ageSeconds / 10)));
}
