import { Worker } from "node:worker_threads";
import type { Carrier, CarrierEvents, CarrierOptions } from "./carrier.ts";
import { crashed, type HostDeath } from "./death.ts";
import type { FromHost } from "./protocol.ts";
import { relayOutput } from "./relay-output.ts";
import { watchMemory } from "./watch-memory.ts";

/**
 * MiB of a thread's nursery. A small one, because a full one moves into the heap at once: see below on what must not
 * happen at the heap's limit.
 */
const youngGenerationMib = 12;

/** The bounds of a thread's heap, MiB. */
interface HeapBounds {
  /** Above this its thread is ended from here. */
  endAtMib: number;
  /** V8's own limit. */
  v8Mib: number;
}

/**
 * The bounds for an engine that may use `memoryMib`.
 *
 * At its own limit V8 ends the thread, but ends the whole process where the heap is more than 16 MiB past it by then, as
 * happens while it marks (three in four runs of an engine that leaked between its awaits). So V8's limit lies further
 * up, and the thread is ended from here before it gets there. What is used holds garbage too, up to half way between
 * what is alive and V8's limit: hence the room above `memoryMib`.
 */
function heapBounds(memoryMib: number): HeapBounds {
  const endAtMib = memoryMib + Math.max(64, memoryMib / 4);
  return { endAtMib, v8Mib: endAtMib + Math.max(48, endAtMib / 8) };
}

const outOfMemory: HostDeath = {
  code: "out_of_memory",
  detail: "the engine used up the memory of its thread",
};

/** A host as a thread of this process. Only its JavaScript heap is bounded. */
export function startThread(options: CarrierOptions, events: CarrierEvents): Carrier {
  const { name, log } = options;
  let death: HostDeath | null = null;
  const bounds = heapBounds(options.memory.heapMib);
  const worker = new Worker(new URL("./host-thread.ts", import.meta.url), {
    name,
    workerData: options.spec,
    env: options.env as NodeJS.ProcessEnv,
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: {
      maxOldGenerationSizeMb: bounds.v8Mib,
      maxYoungGenerationSizeMb: youngGenerationMib,
    },
  });
  const output = relayOutput(worker, name, log);
  const heap = watchMemory({
    usedMib: async () => (await worker.getHeapStatistics()).used_heap_size / 2 ** 20,
    endAtMib: bounds.endAtMib,
    isBusy: options.isBusy,
    onExceeded: () => kill(outOfMemory),
  });

  function kill(why?: HostDeath): void {
    death ??= why ?? null;
    void worker.terminate();
  }

  worker.on("message", (batch: FromHost[]) => events.heard(batch));
  worker.on("messageerror", (error) => {
    log.error({ host_id: name, err: error }, "a message of a host could not be read");
  });
  worker.on("error", (error: unknown) => {
    death ??= deathBy(error);
  });
  worker.on("exit", (code) => {
    heap.stop();
    output.stop();
    events.gone(death ?? crashed(`the engine's thread ended with code ${code}`));
  });

  return {
    send: (batch) => worker.postMessage(batch),
    loaded() {},
    isWorn: false,
    kill,
  };
}

function deathBy(error: unknown): HostDeath {
  if (error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return outOfMemory;
  }
  const message = error instanceof Error ? error.message : "something that is no Error";
  return crashed(`the engine's thread crashed: ${message}`);
}
