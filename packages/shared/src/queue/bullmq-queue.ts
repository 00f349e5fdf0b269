import { randomUUID } from "node:crypto";
import type { Priority } from "@tl-engine/contract";
import type { JobsOptions, Queue as BullQueue, Worker as BullWorker } from "bullmq";
import type { Consumer, Delivery, DeliveryItem, Queue, QueueHealth } from "./queue.ts";

/** A job's whole content: bodies stay in Postgres. */
export interface JobData {
  items: DeliveryItem[];
}

/** What differs between BullMQ on Redis and BullMQ on Postgres. */
export interface Backend {
  makeQueue(name: string): BullQueue<JobData>;
  makeWorker(
    name: string,
    concurrency: number,
    process: (data: JobData) => Promise<void>,
  ): BullWorker<JobData>;
  health(): Promise<QueueHealth>;
  /** See {@link Queue.probe}. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/** BullMQ runs 1 first; a job without a priority would overtake all that have one. */
const bullPriority: Record<Priority, number> = { high: 1, normal: 2, low: 3 };

/** How long after a consumer could not get ready another one is made, ms. */
const remakeMs = 1_000;

/** A queue per engine version, so that no worker is handed what it cannot run. */
export function queueName(engineId: string, version: number): string {
  return `${engineId}@${version}`;
}

/** Our queue on BullMQ, on either backend. */
export function makeBullmqQueue(backend: Backend, onError: (error: Error) => void): Queue {
  const queues = new Map<string, BullQueue<JobData>>();
  const consumers = new Set<Consumer>();

  function queueFor(engineId: string, version: number): BullQueue<JobData> {
    const name = queueName(engineId, version);
    let queue = queues.get(name);
    if (queue === undefined) {
      queue = makeQueue(name);
      queues.set(name, queue);
    }
    return queue;
  }

  function makeQueue(name: string): BullQueue<JobData> {
    const queue = backend.makeQueue(name);
    queue.on("error", onError);
    // One that could not get ready fails for ever, also when its store is back: the next who needs it makes another.
    queue.waitUntilReady().catch(() => {
      if (queues.get(name) === queue) queues.delete(name);
      void queue.close().catch(() => undefined);
    });
    return queue;
  }

  return {
    async enqueue(deliveries) {
      await Promise.all(
        deliveries.map((delivery) =>
          queueFor(delivery.engineId, delivery.version).addBulk(jobsOf(delivery)),
        ),
      );
    },

    consume({ engineId, version, slots, handle }) {
      const name = queueName(engineId, version);
      let closed = false;
      let remake: NodeJS.Timeout | undefined;
      const make = (): BullWorker<JobData> => {
        const made = backend.makeWorker(name, slots, (data) => handle(data.items));
        made.on("error", onError);
        // As above; with nobody to ask for another one, it is made in a moment.
        made.waitUntilReady().catch(() => {
          void made.close(true).catch(() => undefined);
          if (closed) return;
          remake = setTimeout(() => {
            worker = make();
          }, remakeMs);
        });
        return made;
      };
      let worker = make();
      const consumer: Consumer = {
        async close() {
          closed = true;
          clearTimeout(remake);
          consumers.delete(consumer);
          await worker.close();
        },
      };
      consumers.add(consumer);
      return consumer;
    },

    async depth(engineId, version) {
      const counts = await queueFor(engineId, version).getJobCounts("waiting", "prioritized");
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },

    health: () => backend.health(),
    probe: () => backend.probe(),

    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      await backend.close();
    },
  };
}

function jobsOf(delivery: Delivery): { name: string; data: JobData; opts: JobsOptions }[] {
  const jobs = [];
  for (let from = 0; from < delivery.items.length; from += delivery.perJob) {
    jobs.push({
      name: "deliver",
      data: { items: delivery.items.slice(from, from + delivery.perJob) },
      opts: {
        // Never used twice: adding a job under an id that still exists does nothing, in silence.
        jobId: randomUUID(),
        priority: bullPriority[delivery.priority],
        attempts: 1,
        removeOnComplete: true,
        removeOnFail: true,
      },
    });
  }
  return jobs;
}
