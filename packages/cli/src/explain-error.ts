import {
  ConnectionError,
  ProblemError,
  UnexpectedAnswerError,
  WaitTimeoutError,
} from "@tl-engine/client";
import { CommanderError } from "commander";
import { printable } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** What `tl` ends with. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

export interface Explanation {
  exitCode: number;
  /** Empty where all was said already. */
  lines: string[];
}

/** An error in words: what is wrong, where, and what to do. The first line is the whole story. */
export function explainError(error: unknown): Explanation {
  if (error instanceof CommanderError) return explainCommander(error);
  if (error instanceof UsageError) return explanation(exitCodes.usage, error.message);
  if (error instanceof ProblemError) return explainProblem(error);
  if (error instanceof ConnectionError) {
    return explanation(
      exitCodes.unreachable,
      `${error.message}. Is the API running? \`npm start\` starts one here; TL_URL names another.`,
    );
  }
  if (error instanceof WaitTimeoutError) {
    return explanation(
      exitCodes.failed,
      `${error.message}. Look again with: tl status ${error.executionId} --wait`,
    );
  }
  if (error instanceof UnexpectedAnswerError) return explanation(exitCodes.failed, error.message);
  return explanation(
    exitCodes.failed,
    `this is a defect of tl: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}

/** commander has written its own message already, to where it belongs. */
function explainCommander({ code, exitCode }: CommanderError): Explanation {
  const asked = ["commander.helpDisplayed", "commander.version"].includes(code) || exitCode === 0;
  return { exitCode: asked ? exitCodes.ok : exitCodes.usage, lines: [] };
}

function explainProblem(error: ProblemError): Explanation {
  const { problem, code, status, requestId } = error;
  const wrong = problem.errors ?? [];
  const hint = hintFor(error);
  const facts = [code, `HTTP ${status}`, ...(requestId ? [`request ${requestId}`] : [])];
  const said = (problem.detail || problem.title).replace(/\.$/, "");
  return explanation(
    exitCodes.failed,
    `${said} (${facts.join(", ")})${hint ? `. ${hint}` : ""}`,
    ...wrong.map((member) => `  ${member.pointer || "/"}: ${member.detail}`),
  );
}

function hintFor({ code, retryAfterSeconds }: ProblemError): string | null {
  const later = retryAfterSeconds === null ? "later" : `in ${Math.ceil(retryAfterSeconds)} s`;
  switch (code) {
    case "unauthorized":
      return "Is the key right, and is it this API's? See TL_URL and TL_API_KEY";
    case "forbidden":
      return "The key's scopes or engines don't allow it; keys and other callers' executions need tl-plane's key";
    case "engine_not_found":
      return "`tl engines` lists what there is";
    case "execution_not_found":
    case "call_not_found":
      return "A program sees its own executions alone; with --plane you see everybody's";
    case "execution_purged":
      return "Executions are kept for TL_RETENTION after they finished; what it did stands";
    case "rate_limited":
    case "unavailable":
      return `Try again ${later}`;
    default:
      return null;
  }
}

function explanation(exitCode: number, ...lines: string[]): Explanation {
  return { exitCode, lines: lines.map(printable) };
}
