import type { CallLog } from "@tl-engine/outbound";
import { ParkedError } from "@tl-engine/outbound/errors";
import { createTokenFetcher } from "@tl-engine/outbound/fetch-token";
import { readEndpointConnection } from "@tl-engine/shared/callbacks/endpoint-connection.ts";
import { createAdmission, type SharedAdmission } from "@tl-engine/shared/connections/admission.ts";
import { createTokens } from "@tl-engine/shared/connections/oauth-tokens.ts";
import { readConnection } from "@tl-engine/shared/connections/read-connection.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import { untilAvailable } from "@tl-engine/shared/executions/until-available.ts";
import { demandSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import { createAnswerPorts, type AnswerPorts } from "./answer-ports.ts";
import { createConnectionSource } from "./connection-source.ts";
import type { MainDoor } from "./main-door.ts";
import { withWebhookEndpoints } from "./with-webhook-endpoints.ts";

export interface OpenPortsOptions {
  pool: Database["pool"];
  /** This worker among all processes. */
  processId: string;
  signals: Signals;
  /** null: there is no TL_SECRET_KEY, and no secret can be read. */
  box: SecretBox | null;
  /** For what this thread fetches itself. */
  door: Pick<MainDoor, "forConnections">;
  /** Takes the record of what this thread calls for an execution. */
  callLog: CallLog;
  /** Parked executions have become due. */
  onReleased(): void;
  onError(error: unknown): void;
}

export interface OpenPorts {
  readonly ports: AnswerPorts;
  readonly admission: Pick<SharedAdmission, "states">;
  /** Writes what is still to be said of circuits, and gives up what is being fetched. */
  close(): Promise<void>;
}

/** Puts together what hosts are answered from: connections, circuits, and tokens. */
export function openPorts(options: OpenPortsOptions): OpenPorts {
  const { pool, signals, box, door, onError } = options;
  const admission = createAdmission({
    pool,
    processId: options.processId,
    signals,
    onError,
    onReleased: options.onReleased,
    parked: (message, park) => new ParkedError(message, park),
  });
  const tokens = createTokens({
    pool,
    signals,
    box,
    fetchToken: createTokenFetcher(door.forConnections, options.callLog),
    onError,
  });
  const connections = withWebhookEndpoints(
    createConnectionSource({
      read: (id) => untilAvailable(() => readConnection(pool, id), { onError }),
      box,
      onError,
    }),
    {
      read: (callerId, id) =>
        untilAvailable(() => readEndpointConnection(pool, demandSecretBox(box), callerId, id), {
          onError,
        }),
      onError,
    },
  );
  const ports = createAnswerPorts({ connections, admission, tokens, onError });
  signals.subscribe("connections", (id) => ports.changed(id));
  return {
    ports,
    admission,
    async close() {
      await Promise.all([admission.close(), tokens.close()]);
    },
  };
}
