/** The command was given wrongly or can't know enough; the message says what to change. Exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}
