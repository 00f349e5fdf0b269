import { createServer } from "node:https";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { ConnectionFailedError } from "./errors.ts";
import { createOutbound } from "./outbound.ts";
import { selfSigned, type SelfSigned } from "./test-support/self-signed-certificate.ts";
import { startServer, startTcp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const servers: LoopbackServer[] = [];
async function startTls(certificate: SelfSigned): Promise<LoopbackServer> {
  const server = createServer(certificate, (_request, response) => response.end("secure"));
  const started = await startServer(server);
  servers.push(started);
  return started;
}
async function call(server: LoopbackServer, hostname: string, authority?: SelfSigned) {
  const outbound = createOutbound({
    allow: parseAllowList(`${server.host} ${hostname}`),
    resolver: { resolve: async () => ["127.0.0.1"] },
    ...(authority ? { certificateAuthorities: [authority.cert] } : {}),
  });
  try {
    const http = outbound.http(createTestScope());
    return (await http.request(`https://${hostname}:${server.port}/`)).text();
  } finally {
    await outbound.close();
  }
}

const good = selfSigned(["good.test", "127.0.0.1"]);
let server: LoopbackServer;
beforeAll(async () => {
  server = await startTls(good);
});
afterAll(() => Promise.all(servers.map((each) => each.close())));

describe("certificates", () => {
  it("of a known authority are accepted, for names and addresses", async () => {
    await expect(call(server, "good.test", good)).resolves.toBe("secure");
    await expect(call(server, "good.test.", good)).resolves.toBe("secure");
    await expect(call(server, "127.0.0.1", good)).resolves.toBe("secure");
  });

  it("of an unknown authority are not, and it is not tried again", async () => {
    const failed = call(server, "good.test");
    await expect(failed).rejects.toThrow(ConnectionFailedError);
    await expect(failed).rejects.toMatchObject({ retryable: false });
    await expect(failed).rejects.toThrow(/certificate is not accepted/);
  });

  it("for another name are not", async () => {
    await expect(call(server, "other.test", good)).rejects.toThrow(/ALTNAME_INVALID/);
  });

  it("that have expired are not", async () => {
    const old = selfSigned(["old.test"], -1);
    const expired = await startTls(old);
    await expect(call(expired, "old.test", old)).rejects.toThrow(/CERT_HAS_EXPIRED/);
  });

  it("are checked whatever the environment says", async () => {
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      await expect(call(server, "good.test")).rejects.toThrow(/certificate is not accepted/);
      await expect(call(server, "other.test", good)).rejects.toThrow(/certificate is not accepted/);
    } finally {
      if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
    }
  });
});

describe("a handshake that does not end", () => {
  const silent = async () => {
    const arrived = Promise.withResolvers<void>();
    const started = await startTcp((socket) => socket.once("data", () => arrived.resolve()));
    servers.push(started);
    return { started, arrived };
  };

  it("ends with the time for connecting", async () => {
    const { started } = await silent();
    const allow = parseAllowList(started.host);
    const outbound = createOutbound({ allow, connectTimeoutMs: 100 });
    const failed = outbound.http(createTestScope()).request(`https://${started.host}/`);
    await expect(failed).rejects.toThrow("no connection within 100 ms");
    await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    await started.allClosed();
  });

  it("is closed by an abort", async () => {
    const { started, arrived } = await silent();
    const outbound = createOutbound({ allow: parseAllowList(started.host) });
    const controller = new AbortController();
    const scope = createTestScope({ signal: controller.signal });
    const called = outbound.http(scope).request(`https://${started.host}/`, { method: "POST" });
    await arrived.promise;
    controller.abort(new Error("canceled"));
    await expect(called).rejects.toThrow("canceled");
    await started.allClosed();
    expect(scope.calls).toMatchObject([{ error_code: "aborted", bytes_sent: 0 }]);
  });

  it("fails when the other side speaks no TLS", async () => {
    const plain = await startTcp((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 400\r\n\r\n")),
    );
    servers.push(plain);
    const outbound = createOutbound({ allow: parseAllowList(plain.host) });
    const failed = outbound.http(createTestScope()).request(`https://${plain.host}/`);
    await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: true });
  });
});
