import { isDescribed, type Accepted, type Execution } from "@tl-engine/client";
import { printable, printableJson, type Style, type Terminal } from "./terminal.ts";

export function statusStyle(status: string): Style {
  if (status === "succeeded") return "green";
  if (status === "failed" || status === "expired") return "red";
  return status === "canceled" ? "yellow" : "cyan";
}

/** An execution for the eye: a line that names it, its facts, then its output or error. */
export function showExecution(execution: Accepted | Execution, terminal: Terminal): string {
  const { paint } = terminal;
  const lines = [
    [
      execution.execution_id,
      `${execution.engine}@${execution.version}`,
      paint(statusStyle(execution.status), execution.status),
    ].join("  "),
  ];
  if (isDescribed(execution)) {
    for (const [name, value] of factsOf(execution)) {
      lines.push(`${paint("dim", name.padEnd(9))} ${printable(value)}`);
    }
    if (execution.input !== undefined) lines.push("input:", printableJson(execution.input));
    if (execution.attempts) lines.push("attempts:", printableJson(execution.attempts));
    if (execution.calls) lines.push("calls:", printableJson(execution.calls));
    if (execution.status === "succeeded" && execution.output !== undefined) {
      lines.push("output:", printableJson(execution.output));
    }
  }
  return lines.join("\n");
}

/** What is worth a line; what is as always is left out. */
function factsOf(execution: Execution): [name: string, value: string][] {
  const { metrics, wait, progress, error, cancel } = execution;
  const facts: [string, string | null][] = [
    ["created", execution.created_at],
    ["run at", execution.run_at],
    ["finished", execution.finished_at],
    ["took", took(metrics)],
    ["attempt", execution.attempt > 0 ? `${execution.attempt} of ${execution.max_attempts}` : null],
    ["progress", progress ? progressText(progress) : null],
    ["waits", wait && waitText(wait)],
    [
      "cancel",
      cancel && `asked for at ${cancel.requested_at}${cancel.effect ? `, ${cancel.effect}` : ""}`,
    ],
    ["error", error && `${error.code}: ${error.detail}`],
    ["details", error?.details === undefined ? null : JSON.stringify(error.details)],
    ["tags", execution.tags.length > 0 ? execution.tags.join(", ") : null],
    [
      "metadata",
      Object.keys(execution.metadata).length > 0 ? JSON.stringify(execution.metadata) : null,
    ],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

function took({ queued_ms: queued, run_ms: run }: Execution["metrics"]): string | null {
  const parts = [
    ...(queued === null ? [] : [`${Math.round(queued)} ms queued`]),
    ...(run === null ? [] : [`${Math.round(run)} ms run`]),
  ];
  return parts.length > 0 ? parts.join(", ") : null;
}

function waitText({ reason, until, blocked_by: by }: NonNullable<Execution["wait"]>): string {
  return reason + (until ? ` until ${until}` : "") + (by ? `, by ${by}` : "");
}

/** `40 % resizing page 4`. */
export function progressText({ fraction, message }: NonNullable<Execution["progress"]>): string {
  return `${Math.round(fraction * 100)} %${message ? ` ${message}` : ""}`;
}

/** The line shown while waiting. */
export function waitingLine(execution: Accepted | Execution, elapsedMs: number): string {
  const described = isDescribed(execution) ? execution : null;
  const more = described?.progress
    ? progressText(described.progress)
    : (described?.wait?.reason ?? "");
  const seconds = Math.floor(elapsedMs / 1000);
  return printable(
    [execution.execution_id, execution.status, more, `${seconds} s`].filter(Boolean).join("  "),
  ).replaceAll("\n", " ");
}
