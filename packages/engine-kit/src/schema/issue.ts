import { type z } from "zod";

/** One thing wrong with a value: where (RFC 6901 JSON pointer, "" is the whole) and what. */
export interface SchemaIssue {
  readonly pointer: string;
  readonly message: string;
}

const mostIssues = 20;

/** Zod's issues as pointers and sentences; at most 20. */
export function issuesOf(error: z.ZodError): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  for (const issue of error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        issues.push({ pointer: pointerOf([...issue.path, key]), message: "Unknown member" });
      }
    } else {
      // Callers send JSON, which has no undefined to receive.
      const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
      issues.push({
        pointer: pointerOf(issue.path),
        message: missing ? "Required, and missing" : issue.message,
      });
    }
  }
  return issues.slice(0, mostIssues);
}

/** RFC 6901 pointer of a path. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** "/a: must be …; /b: …", for a message. */
export function sentenceOf(issues: readonly SchemaIssue[]): string {
  return issues.map(({ pointer, message }) => `${pointer || "the value"}: ${message}`).join("; ");
}
