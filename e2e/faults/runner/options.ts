import { parseArgs } from "node:util";
import type { Backend } from "../backend.ts";

export interface RunOptions {
  /** Ids in upper case; null: all. */
  only: readonly string[] | null;
  /** Null: none was given. */
  seed: number | null;
  backends: readonly Backend[];
  short: boolean;
  list: boolean;
  /** How long the random run takes; null: its own length. */
  minutes: number | null;
}

export const usage = `usage: npm run test:faults -- [--short] [--only D4,D5] [--seed N] [--backend redis|postgres|both] [--minutes N] [--list]

  --short     the short set: fewer executions, a lease of 2 s, under 10 minutes
  --only      these cases alone (also those that are not in the short set)
  --seed      a whole number up to 4294967295; without one it is drawn, and printed
  --backend   what BullMQ delivers through; default both
  --minutes   how long the random run (D14) takes
  --list      says what there is, and runs nothing`;

/** The command line is not understood; the message has the reason and the usage. */
export class UsageError extends Error {
  override name = "UsageError";
  constructor(why: string) {
    super(`${why}\n\n${usage}`);
  }
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): RunOptions {
  const values = parse(args);
  return {
    only: values.only?.split(",").map((id) => id.trim().toUpperCase()) ?? null,
    seed: values.seed === undefined ? null : wholeNumber("--seed", values.seed, 2 ** 32 - 1),
    backends: backendsOf(values.backend ?? "both"),
    short: values.short ?? false,
    list: values.list ?? false,
    minutes: values.minutes === undefined ? null : wholeNumber("--minutes", values.minutes, 1_440),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        only: { type: "string" },
        seed: { type: "string" },
        backend: { type: "string" },
        short: { type: "boolean" },
        list: { type: "boolean" },
        minutes: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  throw new UsageError(`${name} takes a whole number up to ${most}, not ${JSON.stringify(text)}.`);
}

function backendsOf(name: string): readonly Backend[] {
  if (name === "both") return ["redis", "postgres"];
  if (name === "redis" || name === "postgres") return [name];
  throw new UsageError(`--backend takes redis, postgres or both, not ${JSON.stringify(name)}.`);
}
