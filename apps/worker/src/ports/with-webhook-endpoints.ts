import type { Connection } from "@tl-engine/outbound";
import { ConnectionFailedError, OutboundRefusedError } from "@tl-engine/outbound/errors";
import { webhookEndpointIdPattern } from "@tl-engine/contract";
import type { ConnectionSource } from "./connection-source.ts";
import { orAborted } from "./or-aborted.ts";

/** The engine that sends to callers' endpoints. */
const engineId = "webhook.deliver";

export interface WebhookEndpointSource {
  /** The endpoint of this caller as a connection; null: there is none, or it is off. */
  read(callerId: string, id: string): Promise<Connection | null>;
  onError(error: unknown): void;
}

/** Connections, and beside them what `webhook.deliver` may reach: the webhook endpoints of its execution's caller. */
export function withWebhookEndpoints(
  connections: ConnectionSource,
  endpoints: WebhookEndpointSource,
): ConnectionSource {
  return {
    changed: (id) => connections.changed(id),
    async find(execution, named, signal) {
      const { connection: id, protocol } = named;
      const isEndpoint =
        execution.engine.engineId === engineId &&
        protocol === "http" &&
        webhookEndpointIdPattern.test(id);
      if (!isEndpoint) return connections.find(execution, named, signal);
      let connection: Connection | null;
      try {
        connection = await orAborted(endpoints.read(execution.callerId, id), signal);
      } catch (error) {
        signal.throwIfAborted();
        endpoints.onError(error);
        const message = `endpoint ${id}: this worker can't read it; its log says why`;
        throw new ConnectionFailedError(message, { retryable: true });
      }
      if (connection === null) {
        throw new OutboundRefusedError(
          `there is no webhook endpoint ${id} of this caller, or it is switched off`,
        );
      }
      return { connection, freshMs: 0 };
    },
  };
}
