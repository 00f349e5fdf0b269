import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { noteProcess } from "../../test/left-behind.ts";

/** One line of a process's log, or a line that is none. */
export interface LogLine {
  msg: string;
  [field: string]: unknown;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A real process of tl-engine, with all that it says kept. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** Null while it lives. */
  readonly ended: Ended | null;
  /** Resolves when it is gone. */
  readonly end: Promise<Ended>;
  /** All that it has said. */
  text(): string;
  /**
   * The first line that matches, said already or still to come.
   *
   * @throws Error with the process's own words, when it ends before or says nothing like it in time
   */
  says(what: string, matches: (line: LogLine) => boolean, withinMs?: number): Promise<LogLine>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<Ended>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<Ended>;
  signal(signal: NodeJS.Signals): void;
}

export interface StartOptions {
  name: string;
  /** Entry point, run by this Node. */
  entry: string;
  args?: readonly string[];
  /** The whole environment; nothing of the test's own leaks in. */
  env: Record<string, string>;
  cwd: string;
  /** In a process group of its own, as a terminal starts it. */
  ownGroup?: boolean;
}

/** Starts a process. It ends with the test's own process, whatever happens to that one; a frozen one with the next run. */
export function startProcess({
  name,
  entry,
  args = [],
  env,
  cwd,
  ownGroup = false,
}: StartOptions): RunningProcess {
  const child = spawn(process.execPath, [entry, ...args], {
    // The channel closes with us: then tl-engine's processes stop by themselves.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env,
    cwd,
    detached: ownGroup,
  });
  const forget = noteProcess(child.pid ?? -1, entry);
  const lines: { raw: string; parsed: LogLine }[] = [];
  const listeners = new Set<() => void>();
  let ended: Ended | null = null;
  const hear = (raw: string): void => {
    lines.push({ raw, parsed: parse(raw) });
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", hear);
  }
  const end = (once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>).then(
    ([code, signal]) => {
      ended = { code, signal };
      forget();
      for (const listener of listeners) listener();
      return ended;
    },
  );
  const text = (): string => lines.map(({ raw }) => raw).join("\n");
  const endBy = async (signal: NodeJS.Signals): Promise<Ended> => {
    if (ended === null) child.kill(signal);
    return end;
  };

  return {
    name,
    pid: child.pid ?? -1,
    get ended() {
      return ended;
    },
    end,
    text,
    says(what, matches, withinMs = 20_000) {
      return new Promise((resolve, reject) => {
        let next = 0;
        const settle = (): void => {
          clearTimeout(timer);
          listeners.delete(look);
        };
        const fail = (why: string): void => {
          settle();
          reject(new Error(`${name} ${why} before it said "${what}":\n${text().slice(-4_000)}`));
        };
        const look = (): void => {
          for (; next < lines.length; next++) {
            const line = lines[next]?.parsed;
            if (line === undefined || !matches(line)) continue;
            settle();
            resolve(line);
            return;
          }
          if (ended !== null) fail(`ended (${ended.signal ?? ended.code})`);
        };
        const timer = setTimeout(() => fail(`let ${withinMs} ms pass`), withinMs);
        listeners.add(look);
        look();
      });
    },
    stop: () => endBy("SIGTERM"),
    kill: () => endBy("SIGKILL"),
    signal: (signal) => void child.kill(signal),
  };
}

function parse(raw: string): LogLine {
  if (raw.startsWith("{")) {
    try {
      return JSON.parse(raw) as LogLine;
    } catch {
      // A line of somebody else's.
    }
  }
  return { msg: raw };
}
