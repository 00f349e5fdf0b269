import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Webhook } from "standardwebhooks";

import { parseAllowList } from "../allow-list.ts";
import { createOutbound, type Outbound } from "../outbound.ts";
import { noConnections } from "../no-connections.ts";
import { type OutboundRequest } from "../exchange.ts";
import { startHttp, type LoopbackServer } from "../test-support/loopback-server.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTestScope } from "../test-support/test-scope.ts";
import { authorize, type AuthorizeOptions } from "./authorize.ts";
import { webhookIdFor } from "./webhook-id.ts";

const OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazOkWsdnYpI=";
const body = '{"type":"invoice.paid","data":{"text":"ü"}}';

/** A receiver that knows one secret, and says by its status whether the reference library accepts what came. */
let receiver: LoopbackServer;
let outbound: Outbound;
beforeAll(async () => {
  receiver = await startHttp((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const secret = request.url === "/old" ? OLD : NEW;
      try {
        new Webhook(secret).verify(Buffer.concat(chunks), request.headers as never);
        response.statusCode = 204;
      } catch (error) {
        response.statusCode = 401;
        response.write((error as Error).message);
      }
      response.end();
    });
  });
  outbound = createOutbound({ allow: parseAllowList(receiver.host) });
});
afterAll(async () => {
  await outbound.close();
  await receiver.close();
});

async function sign(
  secrets: readonly string[],
  request: Partial<OutboundRequest> = {},
  options: AuthorizeOptions = {},
) {
  const connection = testConnection({
    auth: { type: "hmac", scheme: "standard_webhooks", secrets, header: "", prefix: "" },
  });
  return authorize(
    { method: "POST", path: "/old", headers: { "idempotency-key": "e/1" }, body, ...request },
    connection,
    noConnections,
    new AbortController().signal,
    options,
  );
}

async function send({ method, path, headers, body }: OutboundRequest): Promise<string> {
  const answer = await outbound.http(createTestScope()).request(receiver.origin + path, {
    method,
    headers,
    acceptStatus: "any",
    ...(body === null ? {} : { body }),
  });
  return answer.status === 204 ? "accepted" : answer.text();
}

describe("a signature by Standard Webhooks", () => {
  it("is accepted by the reference library, for text, bytes and no body at all", async () => {
    expect(await send((await sign([OLD])).request)).toBe("accepted");
    const bytes = (await sign([OLD], { body: Buffer.from(body) })).request;
    expect(await send(bytes)).toBe("accepted");
    expect(await send((await sign([OLD], { body: null })).request)).toBe("accepted");
  });

  it("is made by both secrets while receivers change over", async () => {
    const { request } = await sign([NEW, OLD]);
    expect(await send(request)).toBe("accepted");
    expect(await send({ ...request, path: "/new" })).toBe("accepted");
    expect(await send((await sign([NEW])).request)).toMatch(/No matching signature/);
  });

  it("does not fit another body, id or time", async () => {
    const { request } = await sign([OLD]);
    const tampered = async (headers: Record<string, string>, text = body) =>
      send({ ...request, body: text, headers: { ...request.headers, ...headers } });
    expect(await tampered({}, body.replace("paid", "void"))).toMatch(/No matching signature/);
    expect(await tampered({ "webhook-id": "other" })).toMatch(/No matching signature/);
    const later = String(Number(request.headers["webhook-timestamp"]) + 1);
    expect(await tampered({ "webhook-timestamp": later })).toMatch(/No matching signature/);
  });

  it("is made anew for each try: the id stays, the time does not", async () => {
    const at = (iso: string) => sign([OLD], {}, { now: () => new Date(iso) });
    const first = (await at("2026-01-01T00:00:00.900Z")).request.headers;
    const second = (await at("2026-01-01T00:05:00.000Z")).request.headers;
    expect(first["webhook-timestamp"]).toBe("1767225600");
    expect(second["webhook-timestamp"]).toBe("1767225900");
    expect(second["webhook-id"]).toBe(first["webhook-id"]);
    expect(second["webhook-signature"]).not.toBe(first["webhook-signature"]);
  });

  it("of six minutes ago is refused", async () => {
    const now = () => new Date(Date.now() - 6 * 60_000);
    expect(await send((await sign([OLD], {}, { now })).request)).toMatch(/too old/);
  });

  it("says which headers it is", async () => {
    const { credentialHeaders } = await sign([OLD]);
    expect([...credentialHeaders]).toEqual([
      "webhook-id",
      "webhook-timestamp",
      "webhook-signature",
    ]);
  });

  it("names the message by what is stable about it", async () => {
    const idOf = async (...args: Parameters<typeof sign>) =>
      (await sign(...args)).request.headers["webhook-id"];
    expect(await idOf([OLD])).toBe("e/1");
    expect(await idOf([OLD], {}, { messageId: "m-7" })).toBe("m-7");
    const unnamed = { headers: {} };
    expect(await idOf([OLD], unnamed)).not.toBe(await idOf([OLD], unnamed));
  });

  it("has no full stop in the id, since it separates what is signed", () => {
    expect(webhookIdFor("0199-a/send")).toBe("0199-a/send");
    expect(webhookIdFor("a.1")).toMatch(/^msg_[\w-]{32}$/);
    expect(webhookIdFor("a.1")).toBe(webhookIdFor("a.1"));
    expect(webhookIdFor("a.2")).not.toBe(webhookIdFor("a.1"));
  });
});
