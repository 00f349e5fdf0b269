import { fromBinary, fromJson, toBinary, toJson, type JsonValue } from "@bufbuild/protobuf";

import { filesOf, registryOf, type ProtoSource } from "./proto-source.ts";
import { ProtobufError } from "./protobuf-error.ts";

/** Turns messages of one type from proto3 JSON into bytes and back. */
export interface Codec {
  /** @throws ProtobufError with the field that does not fit */
  encode(json: unknown): Uint8Array;
  /** @throws ProtobufError where the bytes are no message of the type: nothing of them is in its words */
  decode(bytes: Uint8Array): unknown;
}

/**
 * A codec for a type of a source. Nesting is bounded at 100, unknown fields are skipped.
 *
 * @param typeName `package.Message`
 * @throws ProtobufError where the source cannot be read, or has no such type
 */
export async function createCodec(source: ProtoSource, typeName: string): Promise<Codec> {
  const registry = registryOf(await filesOf(source), "message", typeName);
  const type = registry.getMessage(typeName);
  if (type === undefined) throw new ProtobufError(`there is no message ${typeName}`);
  return {
    encode(json) {
      try {
        return toBinary(type, fromJson(type, json as JsonValue, { registry }));
      } catch (error) {
        const why = error instanceof Error ? error.message : "unreadable";
        throw new ProtobufError(`the message does not fit ${typeName}: ${why}`);
      }
    },
    decode(bytes) {
      try {
        return toJson(type, fromBinary(type, bytes), { registry, alwaysEmitImplicit: true });
      } catch {
        throw new ProtobufError(`what came is no ${typeName}`);
      }
    },
  };
}
