import type { Exchange } from "./exchange.ts";
import type { Finding } from "./finding.ts";
import { judgeProblem } from "./judge-problem.ts";
import type { RawCase } from "./raw-cases.ts";
import { headerOf } from "./http-answer.ts";
import { answerWithinMs } from "./judge-answer.ts";

/** Judges what came of bytes that are no good request. */
export function judgeRaw(raw: RawCase, { answers, end, ms, rest }: Exchange): Finding[] {
  const wrong: string[] = [];
  if (end === "no HTTP") wrong.push(`no HTTP came: ${rest.subarray(0, 60).toString("latin1")}`);
  if (ms > answerWithinMs + 1_000) wrong.push(`took longer than ${answerWithinMs} ms`);
  if (answers.length > raw.heads.length)
    wrong.push(`${answers.length} answers for ${raw.heads.length} requests`);
  if (answers.length === 0 && !raw.mayBeSilent) wrong.push(`was ${end} without an answer`);
  if (rest.length > 0 && end !== "no HTTP") wrong.push("bytes came that belong to no answer");
  for (const [at, answer] of answers.entries()) {
    const { status } = answer;
    if (status >= 500) wrong.push(`a failure: ${status}`);
    else if (status >= 400 && raw.heads[at] !== true) {
      wrong.push(...judgeProblem(answer).map((what) => `${status}: ${what}`));
    } else if (raw.mustRefuse) wrong.push(`was taken for good: ${status}`);
    if (headerOf(answer, "x-request-id") === undefined)
      wrong.push(`${status}: has no X-Request-Id`);
  }
  return wrong.map((what) => ({ kind: `${raw.name}: ${what}`.slice(0, 200), detail: what }));
}
