import {
  problems,
  problemType,
  type ProblemCode,
  type ProblemError,
  type Tombstone,
} from "@tl-engine/contract";
import type { Context } from "hono";
import type { ApiEnv } from "./api-env.ts";

/** What a refusal says beyond its code. */
export interface RefusalFacts {
  /** The wrong members of the body, at most {@link maxProblemErrors} of which are shown. */
  errors?: readonly ProblemError[];
  limitBytes?: number;
  /** What is left of what was asked for. */
  tombstone?: Tombstone;
  /** Headers of the answer, such as Retry-After. */
  headers?: Readonly<Record<string, string>>;
}

/** A request that is answered with a problem; thrown by whoever finds out, written by {@link writeProblem}. */
export class Refusal extends Error {
  readonly code: ProblemCode;
  readonly facts: RefusalFacts;

  constructor(code: ProblemCode, detail: string, facts: RefusalFacts = {}) {
    super(detail);
    this.name = "Refusal";
    this.code = code;
    this.facts = facts;
  }
}

/** How many wrong members one answer names. */
export const maxProblemErrors = 100;

/** Characters of a pointer or a detail that one answer shows. */
const maxShown = 1_000;

/**
 * A text of the caller's as an answer shows it. Names within a body may be as long as the body, and a hundred pointers
 * through one of them would make a hundred bodies of it.
 */
export function shorten(text: string): string {
  return text.length <= maxShown ? text : `${text.slice(0, maxShown).toWellFormed()}…`;
}

/** The body of a problem, RFC 9457. */
export function problemBody(refusal: Refusal, requestId: string): string {
  const { status, title } = problems[refusal.code];
  const { errors, limitBytes, tombstone } = refusal.facts;
  return JSON.stringify({
    type: problemType(refusal.code),
    title,
    status,
    detail: refusal.message,
    code: refusal.code,
    request_id: requestId,
    ...(errors && {
      errors: errors.slice(0, maxProblemErrors).map(({ pointer, detail }) => ({
        pointer: shorten(pointer),
        detail: shorten(detail),
      })),
    }),
    ...(limitBytes !== undefined && { limit_bytes: limitBytes }),
    ...(tombstone && { tombstone }),
  });
}

/** Answers with a problem: the one place that writes `application/problem+json`. */
export function writeProblem(c: Context<ApiEnv>, refusal: Refusal): Response {
  c.header("Cache-Control", "no-store");
  for (const [name, value] of Object.entries(refusal.facts.headers ?? {})) c.header(name, value);
  c.header("Content-Type", "application/problem+json");
  c.set("problem", refusal.code);
  return c.body(problemBody(refusal, c.get("requestId")), problems[refusal.code].status);
}
