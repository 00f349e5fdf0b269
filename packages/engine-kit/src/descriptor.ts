/** An engine in plain JSON: what a worker publishes, and all that the API ever sees. */
export interface EngineDescriptor {
  readonly id: string;
  readonly version: number;
  readonly title: string;
  readonly description: string | null;
  /** JSON Schema 2020-12. */
  readonly input_schema: Record<string, unknown>;
  readonly output_schema: Record<string, unknown>;
  readonly example: unknown;
  readonly policy: EnginePolicyDescriptor;
}

/** Times in milliseconds; `null` means no limit of the engine's own. */
export interface EnginePolicyDescriptor {
  readonly timeout_ms: number;
  readonly timeout_max_ms: number;
  readonly ttl_ms: number;
  readonly ttl_max_ms: number;
  readonly max_attempts: number;
  readonly max_attempts_max: number;
  readonly backoff_initial_ms: number;
  readonly backoff_factor: number;
  readonly backoff_max_ms: number;
  readonly concurrency: number | null;
  readonly isolation: "inline" | "thread" | "process";
  readonly short_ms: number | null;
  readonly memory_mib: number;
  readonly uses: readonly string[];
}
