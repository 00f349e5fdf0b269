import type { ProblemError } from "@tl-engine/contract";
import { pointerToken } from "@tl-engine/shared/json-schema/pointer.ts";
import { maxProblemErrors } from "./problem.ts";

class BadNumber {
  readonly detail: string;
  constructor(detail: string) {
    this.detail = detail;
  }
}

const integerLiteral = /^-?[0-9]+$/;

function judgeNumber(value: number, source: string): BadNumber | null {
  if (!Number.isFinite(value)) return new BadNumber("is a number out of range");
  if (integerLiteral.test(source) && !Number.isSafeInteger(value)) {
    return new BadNumber("is an integer beyond ±(2^53 − 1), which JSON cannot carry exactly");
  }
  return null;
}

/**
 * Parses and leaves a mark in the place of every number that would not arrive as it was written. The reviver's
 * `context.source` is the literal as sent.
 * @throws SyntaxError
 */
export function parseMarkingNumbers(text: string): { value: unknown; marked: boolean } {
  let marked = false;
  const value: unknown = JSON.parse(
    text,
    (_key: string, member: unknown, context?: { source?: string }) => {
      if (typeof member !== "number" || context?.source === undefined) return member;
      const bad = judgeNumber(member, context.source);
      if (bad === null) return member;
      marked = true;
      return bad;
    },
  );
  return { value, marked };
}

function judgeText(text: string): string | null {
  if (text.includes("\u0000")) return "holds the character U+0000, which cannot be stored";
  if (!text.isWellFormed()) return "holds a lone surrogate, which is no character";
  return null;
}

/** Every text that cannot be stored and every marked number in a parsed body, by JSON pointer. */
export function findBadValues(root: unknown): ProblemError[] {
  const errors: ProblemError[] = [];
  const visit = (value: unknown, pointer: string): void => {
    if (errors.length >= maxProblemErrors) return;
    if (typeof value === "string") {
      const detail = judgeText(value);
      if (detail !== null) errors.push({ pointer, detail });
    } else if (value instanceof BadNumber) {
      errors.push({ pointer, detail: value.detail });
    } else if (Array.isArray(value)) {
      value.forEach((member, index) => visit(member, `${pointer}/${index}`));
    } else if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        const detail = judgeText(key);
        // Where the name itself is bad, the pointer shows it with the character replaced.
        if (detail !== null) {
          const shown = pointer + pointerToken(key.replaceAll("\u0000", "\ufffd").toWellFormed());
          errors.push({ pointer: shown, detail: `its name ${detail}` });
        } else visit(member, pointer + pointerToken(key));
      }
    }
  };
  visit(root, "");
  return errors;
}
