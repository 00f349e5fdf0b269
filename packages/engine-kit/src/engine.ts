import { type z } from "zod";
import { type ClientsOf, type Use } from "./clients.ts";
import { type EngineDescriptor } from "./descriptor.ts";
import { type SchemaIssue } from "./schema/issue.ts";

/** What callers need to know of an engine, apart from its code. */
export interface EngineContract<I extends z.ZodType, O extends z.ZodType> {
  /** `^[a-z0-9][a-z0-9._-]{0,63}$`; not `execute`, `status` or `metrics`. */
  readonly id: string;
  /** An integer from 1. A new one for every change that an old caller would notice. */
  readonly version: number;
  /** A few words for lists. Default: the id. */
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly input: I;
  readonly output: O;
  /** An input that works; shown to callers. */
  readonly example?: z.input<I> | undefined;
}

/** A default and a ceiling for what callers may ask for, or the default alone. */
export type Limited<T> = T | { default?: T | undefined; max?: T | undefined };

export interface EnginePolicy<U extends readonly Use[]> {
  /** How long one attempt may run. Default `60s`, ceiling `1h`. Past it `ctx.signal` aborts, and 5 s later the attempt is ended from outside; retried. */
  readonly timeout?: Limited<string> | undefined;
  /** How long an execution may wait before its first start. Default `24h`, ceiling `30d`. Past it: `expired`, nothing ran. */
  readonly ttl?: Limited<string> | undefined;
  /** Attempts in all, the first one included. Default 3, ceiling 25; 1 means never again. */
  readonly maxAttempts?: Limited<number> | undefined;
  /** Wait before attempt n + 1: a random part of `initial` × `factor`^(n−1), at most `max`. Default 1s, 2, 5m. */
  readonly backoff?:
    | { initial?: string | undefined; factor?: number | undefined; max?: string | undefined }
    | undefined;
  /** Running at once over all workers; more wait in the queue. Default: as many as workers have slots. */
  readonly concurrency?: number | undefined;
  /**
   * `inline` (default) shares a thread with others, for code that waits; `thread` has one of its own, for code that
   * computes; `process` has a process of its own, for native code and whatever else may crash or take memory outside
   * of the JavaScript heap.
   */
  readonly isolation?: "inline" | "thread" | "process" | undefined;
  /** The usual duration, such as `5ms`: lets a worker take many at once. Default: taken one by one. */
  readonly short?: string | undefined;
  /**
   * MiB that one attempt may use: JavaScript heap in a `thread`, all resident memory (RSS) in a `process`, of which Node
   * itself takes some 80. Default 256; beyond it the attempt ends with `out_of_memory`. Not for `inline`.
   */
  readonly memory?: number | undefined;
  /**
   * The clients that `run` may use: `["http"]` for any address and connection, `["http:crm"]` for the connection `crm`
   * alone. What is not named here does not compile. Default none.
   */
  readonly uses?: U | undefined;
}

export interface EngineDefinition<
  I extends z.ZodType,
  O extends z.ZodType,
  U extends readonly Use[],
>
  extends EngineContract<I, O>, EnginePolicy<U> {
  /**
   * The work. Runs at least once: after a lost worker or a timeout it may run again, so give
   * `ctx.idempotencyKey(step)` to whatever must not happen twice.
   */
  run(
    input: z.output<I>,
    ctx: EngineContext<NoInfer<U>>,
  ): Promise<z.input<NoInfer<O>>> | z.input<NoInfer<O>>;
}

export interface EngineLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface EngineContext<U extends readonly Use[] = readonly []> {
  readonly executionId: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborts at the timeout, on cancel and on shutdown. Pass it on to whatever takes a signal. */
  readonly signal: AbortSignal;
  readonly log: EngineLog;
  /** Callers see it in the status. `fraction` from 0 to 1; `message` up to 500 characters. */
  progress(fraction: number, message?: string): void;
  readonly clients: ClientsOf<U[number]>;
  /** The same for every attempt of this execution, another for every `step`. */
  idempotencyKey(step: string): string;
}

/** The key under which an engine carries what workers need. Registered, so that copies of this package agree. */
export const engineInternals: unique symbol = Symbol.for("tl-engine.engine");

export type ParseResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: SchemaIssue[] };

export interface EngineInternals {
  /** Which meaning the members have. */
  readonly format: 1;
  readonly descriptor: EngineDescriptor;
  /** Accepts what `descriptor.input_schema` accepts, and fills in defaults. */
  parseInput(value: unknown): ParseResult;
  parseOutput(value: unknown): ParseResult;
}

/** A checked, frozen engine. */
export type Engine<
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
  U extends readonly Use[] = readonly Use[],
> = Omit<EngineDefinition<I, O, U>, "run"> & {
  // A method, so that engines of any input can stand in one list.
  run(input: z.output<I>, ctx: EngineContext<U>): Promise<z.input<O>> | z.input<O>;
  readonly [engineInternals]: EngineInternals;
};

/** What callers send to an engine, from its contract: `InputOf<typeof contract>`. */
export type InputOf<E extends { readonly input: z.ZodType }> = z.input<E["input"]>;
/** What callers get back. */
export type OutputOf<E extends { readonly output: z.ZodType }> = z.output<E["output"]>;
