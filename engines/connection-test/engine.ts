import { defineEngine } from "@tl-engine/engine-kit";

import { connectionTestContract } from "./contract.ts";
import { tryGrpc, tryHttp, trySmtp, tryWebSocket } from "./try-kinds.ts";

/** An answer of any status is a result: what it means for the connection is for whoever asked to say. */
export default defineEngine({
  ...connectionTestContract,
  uses: ["http", "grpc", "websocket", "smtp"],
  timeout: { default: "20s", max: "20s" },
  ttl: { default: "1m", max: "1m" },
  maxAttempts: { default: 1, max: 1 },
  async run({ connection, kind, method, path = "" }, { clients }) {
    switch (kind) {
      case "http":
        return tryHttp(clients, connection, method, path);
      case "grpc":
        return tryGrpc(clients, connection);
      case "websocket":
        return tryWebSocket(clients, connection, path);
      case "smtp":
        return trySmtp(clients, connection);
    }
  },
});
