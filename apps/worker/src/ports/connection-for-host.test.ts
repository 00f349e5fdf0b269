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

const run = {
  executionId: "e-1",
  callerId: "plane",
  engine: { engineId: "e", uses: ["http"] },
  attempt: 1,
  dispatch: 1,
  traceparent: null,
};
const named = { connection: "crm", protocol: "http" } as const;
const signal = new AbortController().signal;

function portsWith(connection: Connection) {
  return createAnswerPorts({
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
    tokens: { token: async ({ revision }) => `token of ${revision}` },
    onError: () => undefined,
  });
}

/** What a host is answered that asks for the connection. */
async function given(auth: Connection["auth"]): Promise<Connection> {
  return (await portsWith(testConnection({ auth })).connection(run, named, signal)).connection;
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

  test("gets a token for the form of the connection that it knows, and for no other", async () => {
    const ports = portsWith(testConnection({ revision: 7, auth: { type: "none" } }));
    const token = (revision: number) => ports.token(run, { ...named, revision }, null, signal);
    expect(await token(7)).toBe("token of 7");
    for (const revision of [6, 8]) {
      await expect(token(revision)).rejects.toMatchObject({
        code: "connection_failed",
        retryable: true,
      });
    }
  });
});
