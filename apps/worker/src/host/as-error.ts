/** An error of another thread, of which only the words came across. */
export function asError(message: string, stack: string | null): Error {
  const error = new Error(message);
  error.stack = stack ?? message;
  return error;
}
