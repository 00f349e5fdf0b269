import { TimeoutError } from "./errors.ts";

/** Why a try ends when its time is over: the whole call's, or one that the connection gives to each try. */
export class CallTimeUp extends Error {
  override name = "CallTimeUp";
  readonly what: "call" | "try" | "first byte";

  constructor(what: CallTimeUp["what"] = "call") {
    super("time is up");
    this.what = what;
  }
}

// Shared by all calls: a stack says nothing of a timer, and costs more than most of a call.
export const CALL_TIME_UP = new CallTimeUp("call");
export const TRY_TIME_UP = new CallTimeUp("try");
export const FIRST_BYTE_TIME_UP = new CallTimeUp("first byte");

/** The error of a call that ran out of `ms` milliseconds, in this package's words. */
export function timeoutError(
  what: string,
  { what: limit }: CallTimeUp,
  ms: number,
  retryable: boolean,
): TimeoutError {
  const missing = limit === "first byte" ? "no answer began" : "no whole answer";
  return new TimeoutError(`${what}: ${missing} within ${ms} ms`, { retryable });
}
