import { type HttpResponse, TerminalError } from "@tl-engine/engine-kit";
import { createCodec, type Codec, type ProtoSource } from "@tl-engine/protobuf";

/** What a caller says of the Protocol Buffers that go over the wire. */
export interface ProtobufInput {
  readonly descriptor_set?: string | undefined;
  readonly proto?: Readonly<Record<string, string>> | undefined;
  readonly request?: string | undefined;
  readonly response?: string | undefined;
}

/** Codecs for the bodies of one call; null where that body is not Protocol Buffers. */
export interface BodyCodecs {
  readonly request: Codec | null;
  readonly response: Codec | null;
}

/** There is no registered media type; these are what services send. */
const MEDIA_TYPE = /^application\/(?:x-protobuf|protobuf|x-google-protobuf|vnd\.google\.protobuf)$/;
/** The one that is sent. */
export const protobufMediaType = "application/x-protobuf";

/** @throws TerminalError `input_invalid` where the types or their source are not as they have to be */
export async function codecsOf(input: ProtobufInput): Promise<BodyCodecs> {
  const source = sourceOf(input);
  const codec = async (type: string | undefined) =>
    type === undefined ? null : createCodec(source, type);
  return { request: await codec(input.request), response: await codec(input.response) };
}

/** Whether an answer says that its body is Protocol Buffers. */
export function isProtobuf({ headers, bytes }: HttpResponse): boolean {
  const [type = ""] = (headers["content-type"] ?? "").toLowerCase().split(";");
  return bytes.length > 0 && MEDIA_TYPE.test(type.trim());
}

/** @throws TerminalError `upstream_error` where the body is no such message */
export function decodeAnswer(codec: Codec, { bytes }: HttpResponse): unknown {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw new TerminalError("The answer's body cannot be decoded", {
      code: "upstream_error",
      cause: error,
    });
  }
}

function sourceOf({ descriptor_set, proto }: ProtobufInput): ProtoSource {
  if (descriptor_set !== undefined && proto === undefined) {
    return { from: "descriptor_set", bytes: Buffer.from(descriptor_set, "base64") };
  }
  if (proto !== undefined && descriptor_set === undefined) return { from: "proto", files: proto };
  throw new TerminalError("protobuf needs a descriptor_set or proto: give one of them", {
    code: "input_invalid",
    details: { pointer: "/protobuf" },
  });
}
