import type { CallOptions } from "./keys.ts";
import { readAll } from "./pages.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type {
  ChangeConnectionBody,
  CircuitReset,
  Connection,
  ConnectionDetail,
  ConnectionTestResult,
  CreateConnectionBody,
} from "./wire.ts";

/** Ways to reach outside systems. Only tl-plane may use these; anybody else gets a ProblemError `forbidden`. */
export interface ConnectionsClient {
  /** Its secrets go in and never come out. Not repeated after a broken connection: it would find its own id taken. */
  create(connection: CreateConnectionBody, options?: CallOptions): Promise<Connection>;
  list(options?: CallOptions): Promise<Connection[]>;
  /** With its circuit. */
  get(id: string, options?: CallOptions): Promise<ConnectionDetail>;
  /** Replaces the members that are given; secrets that are left out of `auth` and `tls` stay. */
  change(id: string, changes: ChangeConnectionBody, options?: CallOptions): Promise<Connection>;
  delete(id: string, options?: CallOptions): Promise<void>;
  /** Lets a worker make one call through it; `path` is below its base URL. Takes up to 20 s. */
  test(id: string, options?: CallOptions & { path?: string }): Promise<ConnectionTestResult>;
  /** Closes its circuit, and lets what was parked for it start. */
  resetCircuit(id: string, options?: CallOptions): Promise<CircuitReset>;
}

export function createConnectionsClient(http: Http): ConnectionsClient {
  return {
    async create(connection, { signal } = {}) {
      const path = pathOf("connections");
      const request = { method: "POST", path, json: connection, signal } as const;
      return (await http.send(request, { repeat: "once" })).body as Connection;
    },
    list: ({ signal } = {}) =>
      readAll<Connection>(http, {
        path: pathOf("connections"),
        member: "connections",
        query: { limit: 100 },
        signal,
      }),
    async get(id, { signal } = {}) {
      const path = pathOf("connections", id);
      return (await http.send({ method: "GET", path, signal })).body as ConnectionDetail;
    },
    async change(id, changes, { signal } = {}) {
      const path = pathOf("connections", id);
      const request = { method: "PATCH", path, json: changes, signal } as const;
      return (await http.send(request)).body as Connection;
    },
    async delete(id, { signal } = {}) {
      const path = pathOf("connections", id);
      await http.send({ method: "DELETE", path, signal }, { repeat: "once" });
    },
    async test(id, { path: below, signal } = {}) {
      const request = {
        method: "POST",
        path: pathOf("connections", id, "test"),
        json: below === undefined ? {} : { path: below },
        signal,
      } as const;
      return (await http.send(request, { repeat: "once" })).body as ConnectionTestResult;
    },
    async resetCircuit(id, { signal } = {}) {
      const path = pathOf("connections", id, "reset-circuit");
      return (await http.send({ method: "POST", path, signal })).body as CircuitReset;
    },
  };
}
