import type { CallOptions } from "./keys.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type { ChangeEngine, EngineDetail, RegisterEngine } from "./wire.ts";

/**
 * Engines whose work a service does. Only tl-plane may use these; anybody else gets a ProblemError `forbidden`. They are
 * listed, read and executed like all others.
 */
export interface RemoteEnginesClient {
  /** A version that is there is a ProblemError `engine_exists`. Not repeated after a broken connection: it would be its own. */
  register(engine: RegisterEngine, options?: CallOptions): Promise<EngineDetail>;
  /** Replaces the members that are given, of `resize@2` or the highest version. Schemas stay as they are. */
  change(id: string, changes: ChangeEngine, options?: CallOptions): Promise<EngineDetail>;
  /** `resize@2`, or all versions. ProblemError `engine_in_use` while unfinished executions hold one. */
  unregister(id: string, options?: CallOptions): Promise<void>;
}

export function createRemoteEnginesClient(http: Http): RemoteEnginesClient {
  return {
    async register(engine, { signal } = {}) {
      const request = { method: "POST", path: pathOf("engines"), json: engine, signal } as const;
      return (await http.send(request, { repeat: "once" })).body as EngineDetail;
    },
    async change(id, changes, { signal } = {}) {
      const path = pathOf("engines", id);
      const request = { method: "PATCH", path, json: changes, signal } as const;
      return (await http.send(request)).body as EngineDetail;
    },
    async unregister(id, { signal } = {}) {
      const path = pathOf("engines", id);
      await http.send({ method: "DELETE", path, signal }, { repeat: "once" });
    },
  };
}
