import { scrubText } from "./scrub-text.ts";

export interface LoggedError {
  name: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: LoggedError;
}

/**
 * An error as it is logged: name, message, code, stack and the same of its cause. Other members stay out:
 * errors of database and HTTP clients carry parameters, rows and headers. Never throws, whatever was thrown.
 */
export function describeError(error: unknown, depth = 0): LoggedError {
  try {
    if (!(error instanceof Error)) return { name: "NotAnError", message: scrubText(String(error)) };
    const { code, stack, cause } = error as Error & { code?: unknown };
    return {
      name: scrubText(String(error.name), 100),
      message: scrubText(String(error.message)),
      ...(typeof code === "string" || typeof code === "number"
        ? { code: scrubText(String(code), 100) }
        : {}),
      ...(typeof stack === "string" ? { stack: scrubText(stack, 8000) } : {}),
      ...(cause instanceof Error && depth < 3 ? { cause: describeError(cause, depth + 1) } : {}),
    };
  } catch {
    return { name: "NotAnError", message: "something was thrown that can't be read" };
  }
}
