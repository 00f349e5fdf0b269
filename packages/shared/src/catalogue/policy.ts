/** What an engine version allows and defaults to; durations in ms. */
export interface EnginePolicy {
  timeout_ms: number;
  timeout_max_ms: number;
  ttl_ms: number;
  ttl_max_ms: number;
  max_attempts: number;
  max_attempts_max: number;
  backoff_initial_ms: number;
  backoff_factor: number;
  backoff_max_ms: number;
  /** How many may run at once over all workers; null: any number. */
  concurrency: number | null;
  isolation: "inline" | "thread" | "process";
  /** Usual duration, ms; null: not declared. */
  short_ms: number | null;
  memory_mib: number;
  uses: string[];
}
