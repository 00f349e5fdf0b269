import type { Connection, OAuthClient } from "@tl-engine/outbound";
import { testConnection } from "@tl-engine/outbound/testing/test-connection.ts";
import { describe, expect, test } from "vitest";
import { createAnswerPorts } from "./answer-ports.ts";

const client: OAuthClient = {
  tokenUrl: "https://login.test/token",
  clientId: "known",
  clientAuth: "basic",
  clientSecret: "s3cret-1",
  privateKey: "s3cret-2",
  keyId: null,
  algorithm: null,
  scope: null,
  audience: null,
};

/** What a host is answered that asks for the connection. */
async function given(auth: Connection["auth"]): Promise<Connection> {
  const connection = testConnection({ auth });
  const ports = createAnswerPorts({
    connections: {
      find: async () => ({ connection, freshMs: 1 }),
      changed: () => undefined,
    },
    admission: {
      enter: () => ({ breakerState: "closed", leave: () => undefined }),
      report: () => undefined,
      isClosed: () => true,
      onChange: () => undefined,
    },
    tokens: { token: () => Promise.reject(new Error("nobody asks")) },
    onError: () => undefined,
  });
  const run = {
    executionId: "e-1",
    callerId: "plane",
    engine: { engineId: "e", uses: ["http"] },
    attempt: 1,
    dispatch: 1,
    traceparent: null,
  };
  const named = { connection: "crm", protocol: "http" } as const;
  return (await ports.connection(run, named, new AbortController().signal)).connection;
}

describe("a host", () => {
  test.each<Connection["auth"]>([
    { type: "oauth2_client_credentials", ...client },
    { type: "oauth2_refresh_token", refreshToken: "s3cret-3", ...client },
  ])("does not get what only the token endpoint needs: %j", async (auth) => {
    const connection = await given(auth);
    expect(JSON.stringify(connection)).not.toContain("s3cret");
    expect(connection.auth).toMatchObject({ type: auth.type, clientId: "known" });
  });

  test("gets the credentials that its calls carry", async () => {
    const auth = { type: "bearer", token: "t" } as const;
    expect((await given(auth)).auth).toEqual(auth);
  });
});
