import { createRoute } from "@hono/zod-openapi";
import { circuitResetSchema } from "@tl-engine/contract";
import { describeCircuit } from "@tl-engine/shared/breakers/describe-circuit.ts";
import { resetCircuit as reset } from "@tl-engine/shared/breakers/reset-circuit.ts";
import { getConnection } from "@tl-engine/shared/connections/get-connection.ts";
import { checkNoBody } from "../check-no-body.ts";
import { connectionIdOfPath } from "../connection-id.ts";
import type { Endpoint } from "../endpoint.ts";
import { connectionIdParameter, json, planeCredential, problemsOf } from "../openapi-parts.ts";

/** POST /api/v1/connections/{connection_id}/reset-circuit: closes its circuit. */
export const resetCircuit: Endpoint = {
  route: createRoute({
    method: "post",
    path: "/api/v1/connections/{connection_id}/reset-circuit",
    operationId: "resetCircuit",
    summary: "Close a connection's circuit",
    description:
      "Calls go through again at once, and what was parked for it starts, the first parked first. Where they fail it opens as ever. A circuit that is closed stays as it is.",
    tags: ["Connections"],
    security: planeCredential,
    request: { params: connectionIdParameter },
    responses: {
      200: json("The circuit, and how many executions waited for it", circuitResetSchema),
      ...problemsOf(
        "connection_not_found",
        "unsupported_media_type",
        "payload_too_large",
        "invalid_input",
      ),
    },
  }),
  access: "connections:admin",
  async handle(c, deps) {
    const { db, signals } = deps;
    const id = connectionIdOfPath(c);
    const exists = async (): Promise<void> => void (await getConnection(db, id));
    await checkNoBody(c, deps, exists);
    await exists();
    const released = await reset(db.pool, signals, id);
    return c.json({ circuit: await describeCircuit(db.pool, id), released });
  },
};
