import { Refusal } from "./problem.ts";

/** One text for an unknown outbound call, somebody else's, and one whose time of retention is over. */
export function callNotFound(): Refusal {
  return new Refusal("call_not_found", "There is no such outbound call");
}
