import { type GrpcAnswer, type GrpcCallOptions, type InputOf } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, test } from "vitest";

import { grpcCallContract } from "./contract.ts";
import grpcCall from "./engine.ts";

// The door itself is proved in packages/outbound. Here stands its port, so that what the engine asks
// of it and makes of its answers can be seen.
function run(input: InputOf<typeof grpcCallContract>, facts: Partial<GrpcAnswer> = {}) {
  const asked: unknown[] = [];
  const answer: GrpcAnswer = {
    messages: [{ a: 1 }],
    streaming: false,
    endedBy: "status",
    headers: { h: "1" },
    trailers: { t: "2" },
    durationMs: 12,
    ...facts,
  };
  const grpc = (connection?: string) => ({
    async call(method: string, message: unknown, options?: GrpcCallOptions) {
      asked.push(connection, method, message, options);
      return answer;
    },
  });
  return { asked, output: runEngine(grpcCall, input, { clients: { grpc } }) };
}

const method = "a.B/C";

test("a unary call by reflection, with the defaults that the contract shows", async () => {
  const { asked, output } = run({ target: "grpcs://api.example", method });
  expect(await output).toEqual({
    message: { a: 1 },
    messages: null,
    ended_by: "status",
    headers: { h: "1" },
    trailers: { t: "2" },
    duration_ms: 12,
  });
  expect(asked).toEqual([
    undefined,
    method,
    {},
    {
      target: "grpcs://api.example",
      schema: { from: "reflection" },
      metadata: undefined,
      timeout: undefined,
      maxMessages: 100,
      idempotent: undefined,
      step: "call",
    },
  ]);
});

test("a stream through a connection, by a descriptor set or .proto texts", async () => {
  const stream = { messages: [1, 2], streaming: true, endedBy: "cap" } as const;
  const { asked, output } = run({ connection: "crm", method, descriptor_set: "AQL/" }, stream);
  expect(await output).toMatchObject({ message: null, messages: [1, 2], ended_by: "cap" });
  expect(asked[0]).toBe("crm");
  expect(asked[3]).toMatchObject({
    target: undefined,
    schema: { from: "descriptor_set", bytes: Buffer.from([1, 2, 255]) },
  });
  const proto = { "a.proto": "…" };
  const byText = run({ connection: "crm", method, proto });
  await byText.output;
  expect(byText.asked[3]).toMatchObject({ schema: { from: "proto", files: proto } });
});

test("what excludes one another is the caller's to mend", async () => {
  for (const input of [
    { method },
    { method, connection: "crm", target: "grpcs://x" },
    { method, connection: "crm", descriptor_set: "", proto: {} },
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    await expect(run(input).output).rejects.toMatchObject({
      code: "input_invalid",
      retryable: false,
    });
  }
});
