import { type ClientKind, type Clients } from "./clients.ts";
import { type Engine, type InputOf, type OutputOf } from "./engine.ts";
import { type AnyEngine, executeEngine } from "./run/execute-engine.ts";
import { createContext, type LogLevel } from "./run/context.ts";

export interface RecordedLog {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}
export interface RecordedProgress {
  readonly fraction: number;
  readonly message: string | null;
}
/** What an engine said while it ran. */
export interface Recorder {
  readonly logs: RecordedLog[];
  readonly progress: RecordedProgress[];
}

export interface RunOptions {
  /** Default 1. */
  attempt?: number | undefined;
  /** Default: one that never aborts. */
  signal?: AbortSignal | undefined;
  /** Real clients or your own, by kind; needed for what the engine `uses`. */
  clients?: Partial<Clients> | undefined;
  /** Default a fixed id. */
  executionId?: string | undefined;
  /** Gathers logs and progress. */
  recorder?: Recorder | undefined;
  /** Default 8 MiB, as workers have it. */
  maxOutputBytes?: number | undefined;
}

/** An empty recorder, for `runEngine(engine, input, { recorder })`. */
export function createRecorder(): Recorder {
  return { logs: [], progress: [] };
}

/**
 * Runs one attempt of an engine as a worker does: the input goes through JSON and the engine's
 * schema, the output through its schema and JSON.
 *
 * @returns the output as callers get it
 * @throws TerminalError `input_invalid`, `output_invalid`, `output_too_large`, or whatever `run` threw
 *
 * @example expect(await runEngine(greet, { name: "Ada" })).toEqual({ greeting: "Hello, Ada!" })
 */
export async function runEngine<E extends Pick<Engine, "input" | "output"> & AnyEngine>(
  engine: E,
  input: InputOf<E>,
  options: RunOptions = {},
): Promise<OutputOf<E>> {
  const recorder = options.recorder ?? createRecorder();
  const ctx = createContext(engine, {
    executionId: options.executionId ?? "01990000-0000-7000-8000-000000000001",
    attempt: options.attempt ?? 1,
    signal: options.signal ?? new AbortController().signal,
    clients: options.clients ?? ({} satisfies Partial<Record<ClientKind, never>>),
    log: (level, message, fields) => recorder.logs.push({ level, message, fields }),
    progress: (fraction, message) => recorder.progress.push({ fraction, message }),
  });
  const { outputText } = await executeEngine(
    engine,
    JSON.stringify(input) ?? "null",
    ctx,
    options.maxOutputBytes ?? 8 * 1024 * 1024,
  );
  return JSON.parse(outputText) as OutputOf<E>;
}
