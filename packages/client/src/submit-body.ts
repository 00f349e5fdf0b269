import type { Callback, Priority, Submit } from "./wire.ts";

/** A duration: text as on the wire (`500ms`, `30s`, `15m`, `24h`, `7d`), or whole milliseconds. */
export type DurationLike = string | number;

/** What may be said of an execution besides its input. */
export interface SubmitSettings {
  /** Default `normal`. */
  priority?: Priority | undefined;
  /** Time to let pass before it may start; not together with `runAt`. */
  delay?: DurationLike | undefined;
  /** When it may start at the earliest, at most 30 days ahead; a time in the past means now. */
  runAt?: Date | string | undefined;
  /** Time allowed before it starts, else it ends `expired`. Default: the engine's, 24 h where that is silent. */
  ttl?: DurationLike | undefined;
  /** Time allowed for one attempt. Default: the engine's, 60 s where that is silent. */
  timeout?: DurationLike | undefined;
  /** Attempts at most, 1–25. Default: the engine's, 3 where that is silent. */
  maxAttempts?: number | undefined;
  /** Up to 20 words to find it again by. */
  tags?: readonly string[] | undefined;
  /** Small facts of the caller's own, given back with each status. */
  metadata?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Who is told of its end: an address (`{ url }`), or a webhook endpoint of the caller's own (`{ endpoint }`). */
  callback?: Callback | undefined;
}

/** The body of a submit; what was left out is not in it. */
export function submitBody(input: unknown, settings: SubmitSettings): Submit {
  const options = withoutUndefined({
    priority: settings.priority,
    delay: durationText(settings.delay),
    run_at: settings.runAt instanceof Date ? settings.runAt.toISOString() : settings.runAt,
    ttl: durationText(settings.ttl),
    timeout: durationText(settings.timeout),
    max_attempts: settings.maxAttempts,
  });
  return {
    input,
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(settings.callback ? { callback: { ...settings.callback } } : {}),
    ...(settings.tags ? { tags: [...settings.tags] } : {}),
    ...(settings.metadata ? { metadata: { ...settings.metadata } } : {}),
  };
}

/** Seconds where they are exact: the wire's numbers have nine digits, and 30 days have ten of milliseconds. */
function durationText(duration: DurationLike | undefined): string | undefined {
  if (typeof duration !== "number") return duration;
  const ms = Math.round(duration);
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** The type says what JSON.stringify does: a member without a value is not there. */
function withoutUndefined<T extends object>(
  object: T,
): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as never;
}
