import type { Context } from "hono";
import type { ApiEnv } from "./api-env.ts";
import { Refusal, writeProblem } from "./problem.ts";
import { toProblem } from "./to-problem.ts";

/** Hears of an error that nobody foresaw; the caller is told nothing of it but the request's id. */
export type ReportDefect = (error: unknown, requestId: string) => void;

/** Turns whatever a handler threw into a problem answer. */
export function onError(report: ReportDefect) {
  return (error: unknown, c: Context<ApiEnv>): Response => {
    const known = toProblem(error);
    if (known !== null) return writeProblem(c, known);
    report(error, c.get("requestId"));
    return writeProblem(
      c,
      new Refusal("internal_error", "The request failed; its request_id helps to find out why"),
    );
  };
}
