import { setTimeout as delay } from "node:timers/promises";
import { bothBackends } from "../backend.ts";
import { oneOf, type Fault } from "./fault.ts";

export const workerKilled: Fault = {
  name: "kill -9 of a worker",
  backends: bothBackends,
  async strike(bed, context) {
    await oneOf(context, bed.livingWorkers(), "worker").kill();
    await bed.complete();
  },
};

export const apiKilled: Fault = {
  name: "kill -9 of an API",
  backends: bothBackends,
  async strike(bed, context) {
    await oneOf(context, bed.livingApis(), "API").kill();
    await bed.complete();
  },
};

export const allWorkersKilled: Fault = {
  name: "kill -9 of all workers",
  backends: bothBackends,
  async strike(bed, _context, lastsMs) {
    await Promise.all(bed.livingWorkers().map((worker) => worker.kill()));
    await delay(lastsMs);
    await bed.complete();
  },
};

export const allKilled: Fault = {
  name: "kill -9 of all processes",
  backends: bothBackends,
  async strike(bed) {
    await Promise.all([...bed.livingApis(), ...bed.livingWorkers()].map((one) => one.kill()));
    await bed.complete();
  },
};

export const workerFrozen: Fault = {
  name: "SIGSTOP of a worker",
  backends: bothBackends,
  async strike(bed, context, lastsMs) {
    const worker = oneOf(context, bed.livingWorkers(), "worker");
    worker.signal("SIGSTOP");
    await delay(lastsMs);
    worker.signal("SIGCONT");
  },
};

export const apiFrozen: Fault = {
  name: "SIGSTOP of an API",
  backends: bothBackends,
  async strike(bed, context, lastsMs) {
    const api = oneOf(context, bed.livingApis(), "API");
    api.signal("SIGSTOP");
    await delay(lastsMs);
    api.signal("SIGCONT");
  },
};

export const workerToldToGo: Fault = {
  name: "SIGTERM to a worker",
  backends: bothBackends,
  async strike(bed, context) {
    await oneOf(context, bed.livingWorkers(), "worker").stop();
    await bed.complete();
  },
};

/** APIs and workers side by side, one of each after the other, as Kubernetes does: the successor is ready before one leaves. */
export const rolledOver: Fault = {
  name: "every process replaced, one after the other",
  backends: bothBackends,
  async strike(bed) {
    const { deployment } = bed;
    const rollApis = async (): Promise<void> => {
      for (const old of bed.livingApis()) {
        await (await deployment.startApi()).ready();
        await old.stop();
      }
    };
    const rollWorkers = async (): Promise<void> => {
      for (const old of bed.livingWorkers()) {
        await (await deployment.startWorker()).ready();
        await old.stop();
      }
    };
    await Promise.all([rollApis(), rollWorkers()]);
  },
};
