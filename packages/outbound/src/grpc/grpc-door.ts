import { type CallScope } from "../scope.ts";
import { type Connecting } from "../send-hop.ts";
import { createGrpcClient } from "./grpc.ts";
import { type GrpcClient } from "./grpc-client.ts";
import { createSchemaCache } from "./schema-cache.ts";
import { createSessionPool } from "./session-pool.ts";

/** What of a process's door speaks gRPC. */
export interface GrpcDoor {
  client(scope: CallScope, connectionId?: string): GrpcClient;
  /** Closes every session at once. */
  close(): void;
}

/** See {@link GrpcDoor}. */
export function openGrpcDoor(connecting: Connecting): GrpcDoor {
  const sessions = createSessionPool();
  const parts = { connecting, sessions, schemas: createSchemaCache() };
  return {
    client: (scope, connectionId) => createGrpcClient(parts, scope, connectionId),
    close: () => sessions.close(),
  };
}
