import { setTimeout as delay } from "node:timers/promises";
import { defineEngine, z } from "@tl-engine/engine-kit";

const contract = {
  version: 1,
  input: z.object({}),
  output: z.object({}),
  maxAttempts: 1,
} as const;

/** Keeps all that it makes until its memory is full. */
const thread = defineEngine({
  ...contract,
  id: "leak",
  isolation: "thread",
  memory: 64,
  run: fillHeap,
});

/** The same in a process. */
const process = defineEngine({
  ...contract,
  id: "leak.process",
  isolation: "process",
  run: fillHeap,
});

/** Keeps memory that is no JavaScript heap. */
const buffers = defineEngine({
  ...contract,
  id: "leak.buffers",
  isolation: "process",
  async run() {
    const kept: Buffer[] = [];
    for (;;) {
      kept.push(Buffer.alloc(1 << 20, 1));
      await delay(1);
    }
  },
});

function fillHeap(): never {
  const kept: number[][] = [];
  for (;;) kept.push(new Array<number>(10_000).fill(Math.random()));
}

export default [thread, process, buffers];
