import { parseAllowList } from "../allow-list.ts";
import { OutboundRefusedError } from "../errors.ts";
import { type HttpClient } from "../http-client.ts";
import { createOutbound, type Outbound, type OutboundOptions } from "../outbound.ts";
import { type Connection } from "../ports.ts";
import { type CallScope } from "../scope.ts";
import { type LoopbackServer } from "./loopback-server.ts";
import { createTestAdmission, type TestAdmission } from "./test-admission.ts";
import { testConnection } from "./test-connection.ts";
import { createTestScope, type TestScope } from "./test-scope.ts";

/** A door with one connection, `crm`, to a server of the test. */
export interface ReachedConnection {
  readonly client: HttpClient;
  readonly scope: TestScope;
  readonly admission: TestAdmission;
  readonly outbound: Outbound;
  /** How often the connection was looked up. */
  lookups(): number;
  /** A client of another execution, through the connection with other facts. */
  again(facts?: Partial<Connection>): HttpClient;
}

/** @param allow targets besides the server */
export function reachConnection(
  server: LoopbackServer,
  facts: Partial<Connection> = {},
  scopeFacts: Partial<CallScope> = {},
  options: Partial<OutboundOptions> & { readonly alsoAllow?: string } = {},
): ReachedConnection {
  const { alsoAllow = "", ...doorOptions } = options;
  const outbound = createOutbound({
    allow: parseAllowList(`${server.host},${alsoAllow}`),
    ...doorOptions,
  });
  const admission = createTestAdmission();
  let lookups = 0;
  const scopeOf = (more: Partial<Connection>) =>
    createTestScope({
      admission,
      connections: {
        async connection(id, kind) {
          lookups++;
          if (id !== "crm" || kind !== "http") {
            throw new OutboundRefusedError(`there is no connection ${id} to use`);
          }
          return testConnection({ baseUrl: `${server.origin}/v2`, ...facts, ...more });
        },
      },
      ...scopeFacts,
    });
  const scope = scopeOf({});
  return {
    client: outbound.http(scope, "crm"),
    scope,
    admission,
    outbound,
    lookups: () => lookups,
    again: (more = {}) => outbound.http(scopeOf(more), "crm"),
  };
}
