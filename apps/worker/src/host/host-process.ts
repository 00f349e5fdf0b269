/** A host as a process. Started by process-carrier.ts, which speaks to it through its file descriptor 3. */
// oxlint-disable-next-line eslint/no-restricted-imports -- the pipe to the worker, which leads nowhere outside
import { Socket } from "node:net";
import { createFrameReader, toFrame } from "./frames.ts";
import { offerToOutOfMemoryKiller } from "./offer-to-out-of-memory-killer.ts";
import type { ProcessOrder, ToHost } from "./protocol.ts";
import { serveRuns } from "./serve-runs.ts";
import { endWithWorker } from "./end-with-worker.ts";

const pipe = new Socket({ fd: 3, readable: true, writable: true });
const endNow = process.kill.bind(process, -process.pid, "SIGKILL");
// The worker is gone, or has closed its end.
pipe.on("close", endNow);
pipe.on("error", endNow);
// Whoever stops the worker may tell its whole group: what runs here goes on until the worker ends it.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
offerToOutOfMemoryKiller();

const waiting: ToHost[][] = [];
let hear = (batch: ToHost[]): void => void waiting.push(batch);
let isFirst = true;
const read = createFrameReader((value) => {
  if (!isFirst) {
    hear(value as ToHost[]);
    return;
  }
  isFirst = false;
  const { spec, name, workerPid } = value as ProcessOrder;
  process.title = `tl-host ${name}`;
  endWithWorker(workerPid);
  serveRuns(spec, {
    send: (batch) => void pipe.write(toFrame(batch)),
    listen(listener) {
      hear = listener;
      for (const batch of waiting.splice(0)) listener(batch);
    },
  });
});
pipe.on("data", read);
