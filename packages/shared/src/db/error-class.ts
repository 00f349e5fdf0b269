/** Postgres errors that say "not now": the same statement may work in a moment. */
const passing = /^(08...|57P0[1-5]|57014|53...|40001|40P01|55P03|25006)$/;
/** Errors of the socket, not of Postgres. */
const socket = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
/** What pg says without a code when a connection is lost or cannot be had. */
const wordless =
  /Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Cannot use a pool after|not queryable|connection is closed/i;

function codeOf(error: unknown): string | null {
  if (typeof error !== "object" || error === null || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** Whether Postgres is away, overloaded or had to give way, so that trying again is right. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  const code = codeOf(error);
  if (code !== null) return passing.test(code) || socket.has(code);
  return error instanceof Error && wordless.test(error.message);
}

/** Whether Postgres refused what it cannot keep (NUL, lone surrogate, syntax, range; nested or long beyond its limits). */
export function isBadValue(error: unknown): boolean {
  const code = codeOf(error);
  return code !== null && (code.startsWith("22") || code.startsWith("54"));
}
