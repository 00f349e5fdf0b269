import assert from "node:assert/strict";
import type { Api, StartOneOptions, Worker } from "../../support/deployment.ts";
import type { Bed } from "./bed.ts";

/** What can be deployed: entry points and variables. */
export interface Release {
  readonly name: string;
  readonly api: StartOneOptions;
  readonly worker: StartOneOptions;
}

export type Kind = "api" | "worker";

/** One process of a deployment, to be replaced by one of another release. */
export interface Place {
  readonly kind: Kind;
  release: Release;
  process: Api | Worker;
}

/** The processes of a bed as a supervisor sees them while it rolls, with a load balancer before the APIs. */
export interface Fleet {
  readonly places: readonly Place[];
  /** The same bed for a caller who asks only those APIs that are ready and not asked to leave. */
  readonly bed: Bed;
  /**
   * Replaces one process. `start first`, as Kubernetes does: its successor is ready before it is asked to leave.
   * @throws AssertionError where it does not end by itself with code 0
   */
  replace(place: Place, by: Release, order: "start first" | "stop first"): Promise<void>;
  /** Ids in the record of all workers that ever ran this release. */
  workersOf(release: Release): string[];
}

/** @param first what the bed's processes run now, all of them ready */
export async function takeFleet(bed: Bed, first: Release): Promise<Fleet> {
  const inService = new Set<Api>(bed.livingApis());
  const ids = new Map<string, string>();
  const places: Place[] = [
    ...bed.livingApis().map((process) => ({ kind: "api" as const, release: first, process })),
    ...bed.livingWorkers().map((process) => ({ kind: "worker" as const, release: first, process })),
  ];
  for (const worker of bed.livingWorkers()) ids.set(await worker.ready(), first.name);

  async function start(kind: Kind, release: Release): Promise<Api | Worker> {
    if (kind === "api") {
      const api = await bed.deployment.startApi(release.api);
      await api.ready();
      inService.add(api);
      return api;
    }
    const worker = await bed.deployment.startWorker(release.worker);
    ids.set(await worker.ready(), release.name);
    return worker;
  }
  async function leave(process: Api | Worker): Promise<void> {
    inService.delete(process as Api);
    assert.deepEqual(await process.stop(), { code: 0, signal: null }, `${process.name} ended`);
  }

  return {
    places,
    bed: Object.create(bed, {
      livingApis: { value: () => bed.livingApis().filter((api) => inService.has(api)) },
    }) as Bed,
    async replace(place, by, order) {
      if (order === "stop first") await leave(place.process);
      const successor = await start(place.kind, by);
      if (order === "start first") await leave(place.process);
      place.process = successor;
      place.release = by;
    },
    workersOf: (release) => [...ids].filter(([, name]) => name === release.name).map(([id]) => id),
  };
}
