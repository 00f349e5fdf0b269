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
    // Any of them may be something else at run time.
    const { name, message, code, stack, cause }: { [part in keyof LoggedError]?: unknown } = error;
    return {
      name: scrubText(String(name), 100),
      message: scrubText(String(message)),
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
