/** A host: the thread in which engines run. Started by host.ts, speaks host/protocol.ts. */
import { AsyncLocalStorage } from "node:async_hooks";
import { flushCompileCache } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { describeEngine, type Engine } from "@tl-engine/engine-kit";
import { toExecutionError } from "@tl-engine/engine-kit/run";
import { redirectConsole } from "./console.ts";
import { guardThread } from "./guard.ts";
import { installEngineResolution, loadEngines } from "./load-engines.ts";
import { createOutbox } from "./outbox.ts";
import { createClients } from "./outbound-clients.ts";
import type { FromHost, HostSpec, ToHost } from "./protocol.ts";
import { createRunner, type Current } from "./run-executions.ts";
import { createVoice } from "./voice.ts";

if (parentPort === null) throw new Error("host-thread.ts is started by the worker as a thread");
const port = parentPort;
const spec = workerData as HostSpec;
const current = new AsyncLocalStorage<Current>();
const outbox = createOutbox<FromHost>((batch) => port.postMessage(batch));

const nobody = createVoice(null, outbox);
redirectConsole(() => current.getStore()?.voice ?? nobody);
guardThread({
  currentKey: () => current.getStore()?.key ?? null,
  report(crash) {
    outbox.push({ kind: "crashed", ...crash });
    // At once: this thread may not come to its next turn.
    outbox.flush();
  },
});
installEngineResolution(spec.resolveFrom);

async function open(): Promise<void> {
  const engines = new Map<string, Engine>();
  for (const module of spec.modules) {
    for (const engine of await loadEngines(module)) {
      const { id, version } = describeEngine(engine);
      engines.set(`${id}@${version}`, engine);
    }
  }
  const runner = createRunner({
    engines,
    outbox,
    current,
    clientsFor: createClients(spec.outboundAllow),
    maxOutputBytes: spec.maxOutputBytes,
  });

  port.on("message", (batch: ToHost[]) => {
    for (const message of batch) {
      if (message.kind === "start") runner.start(message);
      else if (message.kind === "abort") runner.abort(message.key, message.cause);
      else outbox.push({ kind: "pong" });
    }
  });
  outbox.push({ kind: "ready" });
  outbox.flush();
  flushCompileCache();
}

open().catch((error: unknown) => {
  outbox.push({ kind: "not_loaded", reason: toExecutionError(error).message });
});
