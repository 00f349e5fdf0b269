import { AsyncLocalStorage } from "node:async_hooks";
import { flushCompileCache } from "node:module";
import { describeEngine, type Engine } from "@tl-engine/engine-kit";
import { toExecutionError } from "@tl-engine/engine-kit/run";
import { redirectConsole } from "./console.ts";
import { guardHost } from "./guard.ts";
import { installEngineResolution, loadEngines } from "./load-engines.ts";
import { createAsker } from "./asker.ts";
import { createKnownConnections } from "./known-connections.ts";
import { createOutbox } from "./outbox.ts";
import { createClients } from "./outbound-clients.ts";
import type { FromHost, HostSpec, ToHost } from "./protocol.ts";
import { createRunner, type Current } from "./run-executions.ts";
import { createVoice } from "./voice.ts";

/** The way from a host to its worker. */
export interface HostPort {
  send(batch: FromHost[]): void;
  /** From now on what the worker says is heard. */
  listen(hear: (batch: ToHost[]) => void): void;
}

/** Makes a host of this thread or process: loads its engines and runs what it is given, until it is ended from outside. */
export function serveRuns(spec: HostSpec, port: HostPort): void {
  const current = new AsyncLocalStorage<Current>();
  const outbox = createOutbox<FromHost>((batch) => port.send(batch));

  const nobody = createVoice(null, outbox);
  redirectConsole(() => current.getStore()?.voice ?? nobody);
  guardHost({
    currentKey: () => current.getStore()?.key ?? null,
    report(crash) {
      outbox.push({ kind: "crashed", ...crash });
      // At once: this host may not come to its next turn.
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
    const push = (message: FromHost): void => outbox.push(message);
    const asker = createAsker(push);
    const known = createKnownConnections();
    const runner = createRunner({
      engines,
      outbox,
      current,
      clientsFor: createClients(spec.outboundAllow, { asker, known, push }),
      maxOutputBytes: spec.maxOutputBytes,
    });

    function hear(message: ToHost): void {
      switch (message.kind) {
        case "start":
          runner.start(message);
          return;
        case "abort":
          runner.abort(message.key, message.cause);
          return;
        case "ping":
          outbox.push({ kind: "pong" });
          return;
        case "answer":
        case "refused":
          asker.hear(message);
          return;
        case "connection_changed":
          known.changed(message.connection);
          return;
        case "circuit":
          known.circuit(message.connection, message.isClosed);
      }
    }
    port.listen((batch) => {
      for (const message of batch) hear(message);
    });
    outbox.push({ kind: "ready" });
    outbox.flush();
    flushCompileCache();
  }

  open().catch((error: unknown) => {
    outbox.push({ kind: "not_loaded", reason: toExecutionError(error).message });
  });
}
