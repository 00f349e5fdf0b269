import { defineEngine, TerminalError, type GrpcSchema, type InputOf } from "@tl-engine/engine-kit";

import { grpcCallContract } from "./contract.ts";

/** One call per attempt; what the door throws says by itself whether the execution is tried again. */
export default defineEngine({
  ...grpcCallContract,
  uses: ["grpc"],
  async run(input, ctx) {
    if ((input.connection === undefined) === (input.target === undefined)) {
      throw excluding("connection", "target", "give one of them");
    }
    const answer = await ctx.clients
      .grpc(input.connection)
      .call(input.method, input.message ?? {}, {
        target: input.target,
        schema: schemaOf(input),
        metadata: input.metadata,
        timeout: input.timeout,
        maxMessages: input.max_messages,
        idempotent: input.idempotent,
        step: "call",
      });
    return {
      message: answer.streaming ? null : answer.messages[0],
      messages: answer.streaming ? [...answer.messages] : null,
      ended_by: answer.endedBy,
      headers: answer.headers,
      trailers: answer.trailers,
      duration_ms: answer.durationMs,
    };
  },
});

function schemaOf({ descriptor_set, proto }: InputOf<typeof grpcCallContract>): GrpcSchema {
  if (descriptor_set !== undefined && proto !== undefined) {
    throw excluding("descriptor_set", "proto", "give at most one of them");
  }
  if (descriptor_set !== undefined) {
    return { from: "descriptor_set", bytes: Buffer.from(descriptor_set, "base64") };
  }
  return proto === undefined ? { from: "reflection" } : { from: "proto", files: proto };
}

function excluding(one: string, other: string, fix: string): TerminalError {
  return new TerminalError(`${one} and ${other} exclude each other: ${fix}`, {
    code: "input_invalid",
    details: { pointer: `/${other}` },
  });
}
