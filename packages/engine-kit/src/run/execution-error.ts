import { type ExecutionErrorCode, executionErrorCodes } from "../errors.ts";
import { assertPlainJson } from "./plain-json.ts";
import { keepable } from "./text.ts";

const maxMessageBytes = 4096;
const maxDetailsBytes = 8192;
const maxStackBytes = 8192;
const maxCauses = 3;
/** How deep in a chain of causes the door's word is looked for. */
const maxParkDepth = 5;

/** Why an execution waits without a slot until the outside is ready for it: the door's words, once more. */
export interface Park {
  readonly reason: "retry_after" | "circuit_open";
  /** ms; null: until the circuit lets it through. */
  readonly delayMs: number | null;
  /** `connection:<id>`; null where the call went to a plain address. */
  readonly blockedBy: string | null;
}

/** Why an attempt failed, in plain JSON: safe to send between threads and to store. */
export interface ExecutionErrorFacts {
  readonly code: ExecutionErrorCode;
  /** Never empty, at most 4 KiB of UTF-8, no NUL, no lone surrogate. */
  readonly message: string;
  readonly retryable: boolean;
  /** When the next attempt is due, if the engine or the other side said so; else the backoff rules. */
  readonly retryAfterMs?: number;
  /** The other side can't be called now: the execution waits without an attempt counted. */
  readonly park?: Park;
  /** At most 8 KiB; left out where it cannot be kept. */
  readonly details?: unknown;
  /** For our own log only, never for callers. */
  readonly stack?: string;
}

const codes: ReadonlySet<unknown> = new Set(executionErrorCodes);

/**
 * Whatever an engine threw, as facts. Never throws: it reads each property apart, since a thrown
 * value may be null, a proxy that throws, or an error whose message is a getter.
 *
 * Errors that carry a known `code` and a boolean `retryable` (TerminalError, RetryAfterError, the
 * outbound door's) speak for themselves; all others are `engine_error`, retried under the policy.
 */
export function toExecutionError(thrown: unknown): ExecutionErrorFacts {
  const code = read(thrown, "code");
  const retryable = read(thrown, "retryable");
  const speaks = codes.has(code) && typeof retryable === "boolean";
  const retryAfterMs = read(thrown, "retryAfterMs");
  const details = speaks ? keepableDetails(read(thrown, "details")) : undefined;
  const stack = read(thrown, "stack");
  // An engine that says of its own accord that it is not to be tried again has the last word.
  const park = speaks && !retryable ? null : parkOf(thrown);
  return {
    code: speaks ? (code as ExecutionErrorCode) : "engine_error",
    message: messageOf(thrown),
    retryable: speaks ? retryable : true,
    ...(speaks && retryable && typeof retryAfterMs === "number" && retryAfterMs >= 0
      ? { retryAfterMs: Math.min(Math.round(retryAfterMs), Number.MAX_SAFE_INTEGER) }
      : {}),
    ...(park === null ? {} : { park }),
    ...(details === undefined ? {} : { details }),
    ...(typeof stack === "string" && stack !== "" ? { stack: keepable(stack, maxStackBytes) } : {}),
  };
}

/** What the door said of it, also where the engine wrapped its error in others. */
function parkOf(thrown: unknown): Park | null {
  let at = thrown;
  for (let depth = 0; depth <= maxParkDepth; depth += 1) {
    const said = read(at, "park");
    const reason = read(said, "reason");
    const delayMs = read(said, "delayMs");
    const blockedBy = read(said, "blockedBy");
    const isUntilThen = typeof delayMs === "number" && delayMs >= 0 && Number.isFinite(delayMs);
    const isBlocked = typeof blockedBy === "string" && blockedByForm.test(blockedBy);
    if (
      (reason === "retry_after" && isUntilThen && (blockedBy === null || isBlocked)) ||
      (reason === "circuit_open" && (isUntilThen || delayMs === null) && isBlocked)
    ) {
      return {
        reason,
        delayMs: isUntilThen ? Math.min(Math.round(delayMs), Number.MAX_SAFE_INTEGER) : null,
        blockedBy: isBlocked ? blockedBy : null,
      };
    }
    at = read(at, "cause");
    if (at === undefined || at === null) return null;
  }
  return null;
}

const blockedByForm = /^connection:[a-z0-9][a-z0-9._-]{0,63}$/;

function messageOf(thrown: unknown): string {
  const parts: string[] = [];
  let at = thrown;
  // "fetch failed" alone helps nobody: the cause says what happened.
  for (let i = 0; i <= maxCauses; i += 1) {
    const part = sentenceOf(at);
    if (part !== "" && !parts.some((said) => said.includes(part))) parts.push(part);
    at = read(at, "cause");
    if (at === undefined || at === null) break;
  }
  const message = keepable(parts.join(": "), maxMessageBytes);
  return message.trim() === "" ? "The engine failed without a message" : message;
}

function sentenceOf(thrown: unknown): string {
  if (typeof thrown === "string") return clip(thrown);
  if (thrown === null || typeof thrown !== "object") {
    return `The engine threw ${attempt(() => clip(String(thrown))) ?? "a value without words"}`;
  }
  const message = read(thrown, "message");
  const name = read(thrown, "name");
  const said = typeof message === "string" ? clip(message).trim() : "";
  if (said !== "") {
    const telling = typeof name === "string" && /^[A-Z][A-Za-z]{0,60}Error$/.test(name);
    const plain = ["Error", "TerminalError", "RetryAfterError"].includes(
      String(attempt(() => name)),
    );
    return telling && !plain && read(thrown, "retryable") === undefined ? `${name}: ${said}` : said;
  }
  if (isError(thrown)) {
    const errors = read(thrown, "errors");
    const first = Array.isArray(errors) ? attempt(() => errors[0] as unknown) : undefined;
    if (first !== undefined && first !== null) return sentenceOf0(first);
    return typeof name === "string" && name !== "" ? `${clip(name)} without a message` : "";
  }
  const json = attempt(() => JSON.stringify(thrown));
  return json === undefined
    ? "The engine threw an object that cannot be read"
    : `The engine threw ${clip(json)}`;
}

/** The message of the first of several errors, one level deep. */
function sentenceOf0(thrown: unknown): string {
  const message = read(thrown, "message");
  return typeof message === "string" ? clip(message) : "several errors";
}

function isError(value: unknown): boolean {
  return attempt(() => value instanceof Error) ?? false;
}

function keepableDetails(details: unknown): unknown {
  if (details === undefined) return undefined;
  return attempt(() => {
    assertPlainJson(details, maxDetailsBytes);
    return JSON.parse(JSON.stringify(details)) as unknown;
  });
}

function clip(text: string): string {
  return text.length > maxMessageBytes * 2 ? text.slice(0, maxMessageBytes * 2) : text;
}

function read(value: unknown, key: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null)
    return undefined;
  return attempt(() => (value as Record<string, unknown>)[key]);
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
