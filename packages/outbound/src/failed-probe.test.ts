import { afterEach, expect, it } from "vitest";
import { ParkedError, UpstreamError } from "./errors.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { startHttp } from "./test-support/loopback-server.ts";
import { reachConnection } from "./test-support/reach-connection.ts";
import { createTestAdmission } from "./test-support/test-admission.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** What a call throws that is let through in this state. */
async function thrown(
  state: "closed" | "half_open",
  status: number,
  options: HttpRequestOptions = {},
  maxRetries = 0,
) {
  const server = await startHttp((request, response) => {
    request.resume();
    response.writeHead(status).end();
  });
  const admission = createTestAdmission(state);
  const retry = { maxRetries, initialMs: 1, maxMs: 1, maxRetryAfterMs: 1 };
  const { client, outbound, scope } = reachConnection(server, { retry }, { admission });
  closing.push(
    () => outbound.close(),
    () => server.close(),
  );
  const error = await client.request("users", options).catch((reason: unknown) => reason);
  return { error, admission, calls: scope.calls };
}

it("a call that tried an open circuit and failed parks its execution, and is a failure for the circuit", async () => {
  const { error, admission, calls } = await thrown("half_open", 503, {}, 3);
  expect(error).toBeInstanceOf(ParkedError);
  expect(error).toMatchObject({
    code: "upstream_error",
    park: { reason: "circuit_open", delayMs: null, blockedBy: "connection:crm" },
  });
  // It is not made again in place: the circuit is open.
  expect(admission.left).toEqual(["failure"]);
  expect(calls).toMatchObject([{ status: 503, breaker_state: "half_open" }]);
});

it("one that must not be made again fails as ever", async () => {
  const { error } = await thrown("half_open", 503, { method: "POST", json: {} });
  expect(error).toBeInstanceOf(UpstreamError);
  expect(error).toMatchObject({ retryable: false });
});

it("an answer that says that the other side is well is no reason to wait", async () => {
  const { error, admission } = await thrown("half_open", 404);
  expect(error).toBeInstanceOf(UpstreamError);
  expect(admission.left).toEqual(["success"]);
});

it("while it is closed a failure is a failure", async () => {
  const { error } = await thrown("closed", 503);
  expect(error).toBeInstanceOf(UpstreamError);
});
