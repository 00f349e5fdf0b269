/** A host as a thread. Started by thread-carrier.ts. */
import { parentPort, workerData } from "node:worker_threads";
import type { HostSpec, ToHost } from "./protocol.ts";
import { serveRuns } from "./serve-runs.ts";

if (parentPort === null) throw new Error("host-thread.ts is started by the worker as a thread");
const port = parentPort;
serveRuns(workerData as HostSpec, {
  send: (batch) => port.postMessage(batch),
  listen: (hear) => void port.on("message", (batch: ToHost[]) => hear(batch)),
});
