import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A line of a process' log. */
export type LogLine = Record<string, unknown>;

export interface WorkerProcess {
  readonly pid: number;
  /** What it said so far: log lines, and other text as `{ text }`. */
  readonly lines: LogLine[];
  /** The first line, from now on or before, of which this holds. Rejects when the process ends before. */
  says(holds: (line: LogLine) => boolean): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
}

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Starts `main.ts` as a process of its own, as an operator would. */
export function startWorkerProcess(
  env: Record<string, string>,
  folder = process.cwd(),
): WorkerProcess {
  const child = spawn(process.execPath, [main], {
    cwd: folder,
    env: { PATH: process.env["PATH"], TL_METRICS_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: LogLine[] = [];
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (text) => {
      lines.push(text.startsWith("{") ? (JSON.parse(text) as LogLine) : { text });
      for (const listen of listeners) listen();
    });
  }
  const ended = new Promise<number | null>((resolve) =>
    child.once("close", (code) => resolve(code)),
  );

  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    kill: (signal) => void child.kill(signal),
    says(holds) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(holds);
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        void ended.then(() =>
          reject(new Error(`the worker ended; it said ${JSON.stringify(lines)}`)),
        );
        look();
      });
    },
  };
}
