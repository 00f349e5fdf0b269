import { scrubText } from "../log/scrub-text.ts";

/** `error`: it does not work, or a promise does not hold. `warning`: it works, and could break or be better. */
export type Level = "ok" | "warning" | "error";

/** What one check has found. */
export interface Finding {
  /** `<area>.<what was looked at>`: a word for scripts, which stays. */
  readonly id: string;
  readonly level: Level;
  /** One line for people. */
  readonly title: string;
  /** What was seen, with the figure; may be empty. Never holds a secret. */
  readonly detail: string;
  /** The command or the setting that mends it, ready to paste; null where there is nothing to mend. */
  readonly remedy: string | null;
  /** How a process that runs under it says so in its readiness: what it does without, or does worse, until then. */
  readonly degraded?: string;
}

/** One thing that is looked at. */
export interface Check {
  /** As in {@link Finding.id}, for the finding that says that it could not be looked at. */
  readonly id: string;
  readonly look: () => Promise<Finding[]> | Finding[];
}

export function ok(id: string, title: string, detail = ""): Finding {
  return { id, level: "ok", title, detail, remedy: null };
}

export function warning(id: string, title: string, detail: string, remedy: string): Finding {
  return { id, level: "warning", title, detail, remedy };
}

export function error(id: string, title: string, detail: string, remedy: string): Finding {
  return { id, level: "error", title, detail, remedy };
}

const rank: Record<Level, number> = { error: 0, warning: 1, ok: 2 };

/** Worst first, otherwise in the order in which they came. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => rank[a.level] - rank[b.level]);
}

/** The worst level among them; `ok` where there are none. */
export function worstLevel(findings: readonly Finding[]): Level {
  return worstFirst(findings)[0]?.level ?? "ok";
}

/** An error's own words in one line, without what looks like a credential. */
export function wordsOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0)
    return wordsOf(thrown.errors[0]);
  const own = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  // `fetch failed` alone says nothing.
  const cause = thrown instanceof Error && thrown.cause !== undefined ? wordsOf(thrown.cause) : "";
  const text = cause === "" ? own : `${own}: ${cause}`;
  return scrubText(text, 300).replaceAll(/\s+/g, " ");
}
