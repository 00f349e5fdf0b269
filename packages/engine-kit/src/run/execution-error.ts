import { type ExecutionErrorCode, executionErrorCodes } from "../errors.ts";
import { assertPlainJson } from "./plain-json.ts";
import { keepable } from "./text.ts";

const maxMessageBytes = 4096;
const maxDetailsBytes = 8192;
const maxStackBytes = 8192;
const maxCauses = 3;

/** Why an attempt failed, in plain JSON: safe to send between threads and to store. */
export interface ExecutionErrorFacts {
  readonly code: ExecutionErrorCode;
  /** Never empty, at most 4 KiB of UTF-8, no NUL, no lone surrogate. */
  readonly message: string;
  readonly retryable: boolean;
  /** When the next attempt is due, if the engine or the other side said so; else the backoff rules. */
  readonly retryAfterMs?: number;
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
  return {
    code: speaks ? (code as ExecutionErrorCode) : "engine_error",
    message: messageOf(thrown),
    retryable: speaks ? retryable : true,
    ...(speaks && retryable && typeof retryAfterMs === "number" && retryAfterMs >= 0
      ? { retryAfterMs: Math.min(Math.round(retryAfterMs), Number.MAX_SAFE_INTEGER) }
      : {}),
    ...(details === undefined ? {} : { details }),
    ...(typeof stack === "string" && stack !== "" ? { stack: keepable(stack, maxStackBytes) } : {}),
  };
}

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
