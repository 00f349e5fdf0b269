import { spawn, type ChildProcess } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Carrier, CarrierEvents, CarrierOptions } from "./carrier.ts";
import { crashed, type HostDeath } from "./death.ts";
import { createFrameReader, toFrame } from "./frames.ts";
import type { FromHost, ProcessOrder } from "./protocol.ts";
import { relayOutput } from "./relay-output.ts";
import { residentMib } from "./resident-memory.ts";
import { watchMemory } from "./watch-memory.ts";

const program = fileURLToPath(new URL("./host-process.ts", import.meta.url));
/** A small nursery: it counts three times in the memory of the process. */
const nursery = "--max-semi-space-size=4";
/** After its end, what it wrote last is waited for no longer than this, ms: others may hold its pipes open. */
const lastWordsMs = 1_000;

/** MiB that a process may have grown since its engines were loaded before it is replaced. */
function growthMib(rssMib: number): number {
  return Math.max(64, rssMib / 4);
}

/**
 * A host as a process of its own, with its resident memory bounded. It leads a process group: a Ctrl-C at the terminal
 * does not reach it (the worker drains first), and what its engines start is ended with it.
 */
export function startProcess(options: CarrierOptions, events: CarrierEvents): Carrier {
  const { name, log, memory } = options;
  let death: HostDeath | null = null;
  let ended: string | null = null;
  let isGone = false;
  let heapIsFull = false;
  let usedMib = 0;
  let loadedMib = Infinity;

  const started = spawnHost(options);
  if (typeof started === "string") {
    setImmediate(() =>
      events.gone(crashed(`the engine's process could not be started: ${started}`)),
    );
    return { send() {}, loaded() {}, isWorn: false, kill() {} };
  }
  const { child, pid, stdout, stderr, pipe } = started;
  const order: ProcessOrder = { spec: options.spec, name, workerPid: process.pid };
  pipe.write(toFrame(order));

  const output = relayOutput({ stdout, stderr }, name, log);
  stderr.on("data", (text: string) => {
    // V8's own last words; it says them in one piece.
    heapIsFull ||= /FATAL ERROR: .*(heap out of memory|Allocation failed)/.test(text);
  });
  const read = createFrameReader((batch) => {
    if (Array.isArray(batch)) events.heard(batch as FromHost[]);
  });
  pipe.on("data", (piece: Buffer) => {
    try {
      read(piece);
    } catch (error) {
      log.error({ host_id: name, err: error }, "a message of a host could not be read");
      kill(crashed("the engine's process sent its worker what is no message"));
    }
  });
  pipe.on("error", () => {});
  // Whoever closed its end cannot be told anything any more.
  pipe.on("end", () => kill());

  const watch = watchMemory({
    async usedMib() {
      const now = await residentMib(pid);
      usedMib = now ?? usedMib;
      return now;
    },
    endAtMib: memory.rssMib,
    // While it rests, too: what an engine left behind may go on.
    isBusy: () => true,
    onExceeded: () => kill(outOfMemory(memory.rssMib)),
  });

  function kill(why?: HostDeath): void {
    death ??= why ?? null;
    // Once it is gone its number may be somebody else's.
    if (!isGone) endGroup(pid);
  }

  function gone(): void {
    if (isGone) return;
    isGone = true;
    clearTimeout(limit);
    watch.stop();
    output.stop();
    pipe.destroy();
    if (heapIsFull) death ??= outOfMemory(memory.rssMib);
    events.gone(death ?? crashed(`the engine's process ${ended ?? "ended"}`));
  }

  let limit: NodeJS.Timeout | undefined;
  child.on("exit", (code, signal) => {
    ended = signal === null ? `ended with code ${code}` : `was ended by ${signal}${guess(signal)}`;
    endGroup(pid);
    limit = setTimeout(gone, lastWordsMs);
  });
  child.on("close", gone);

  return {
    send: (batch) => void pipe.write(toFrame(batch)),
    loaded() {
      void residentMib(pid).then((now) => {
        loadedMib = now ?? loadedMib;
      });
    },
    get isWorn() {
      return usedMib > loadedMib + growthMib(memory.rssMib);
    },
    kill,
  };
}

interface Spawned {
  child: ChildProcess;
  pid: number;
  stdout: Readable;
  stderr: Readable;
  /** To and from its file descriptor 3. */
  pipe: Duplex;
}

/** Starts the process; else says why the system did not let it. */
function spawnHost({ env, memory }: CarrierOptions): Spawned | string {
  try {
    const heap = `--max-old-space-size=${memory.heapMib}`;
    const child = spawn(process.execPath, [heap, nursery, program], {
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    // Told by "error" in the next turn; here it is enough that there is none.
    child.on("error", () => {});
    const { pid } = child;
    if (pid === undefined) return "the system has no room for one more";
    const [, stdout, stderr, pipe] = child.stdio as unknown as [null, Readable, Readable, Duplex];
    return { child, pid, stdout, stderr, pipe };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left of it.
  }
}

function outOfMemory(rssMib: number): HostDeath {
  return {
    code: "out_of_memory",
    detail: `the engine used up the memory of its process, ${rssMib} MiB`,
  };
}

/** What a signal usually means, for whoever reads the failure. */
function guess(signal: NodeJS.Signals): string {
  if (signal === "SIGABRT") return " (it called abort, or native code did)";
  if (signal === "SIGKILL")
    return " (by itself, by somebody else, or by the system for want of memory)";
  return "";
}
