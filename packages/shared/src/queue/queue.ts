import type { Priority } from "@tl-engine/contract";

/** One execution in a delivery: its id and the dispatch under which it may be started. */
export type DeliveryItem = readonly [executionId: string, dispatch: number];

/** What is to be delivered to the workers of one engine version. */
export interface Delivery {
  engineId: string;
  version: number;
  priority: Priority;
  items: DeliveryItem[];
  /** Items that may share one job, by the engine's declared usual duration; 1 where it declares none. */
  perJob: number;
}

export interface ConsumeOptions {
  engineId: string;
  version: number;
  /** Deliveries handled at once. */
  slots: number;
  /**
   * Handles one delivery. It is called with a free slot in hand and returns only when it holds a free slot again:
   * that, and nothing else, stops the consumer from taking more than it can run.
   */
  handle(items: DeliveryItem[]): Promise<void>;
}

export interface Consumer {
  /** Takes nothing new and resolves when the deliveries in hand are handled. */
  close(): Promise<void>;
}

/** Whether the queue can be reached, and what is wrong with it though it can. */
export interface QueueHealth {
  ok: boolean;
  reasons: string[];
}

/**
 * Delivery, and nothing but: everything here may be lost, doubled or late at any moment, and is made good from
 * Postgres. An execution is never in doubt because of it.
 */
export interface Queue {
  /** Puts deliveries into the queues of their engine versions. @throws where the queue cannot be reached */
  enqueue(deliveries: Delivery[]): Promise<void>;
  consume(options: ConsumeOptions): Consumer;
  /** Deliveries of an engine version that wait in the queue; those in a worker's hands do not count. */
  depth(engineId: string, version: number): Promise<number>;
  health(): Promise<QueueHealth>;
  /**
   * Rejects where the queue cannot be reached, and where it can hand out nothing: to take a delivery is to write, and a
   * store that is full or read-only answers questions all the same.
   */
  probe(): Promise<void>;
  close(): Promise<void>;
}
