export { createCodec, type Codec } from "./codec.ts";
export { ProtobufError } from "./protobuf-error.ts";
export { filesOf, registryOf, type ProtoSource } from "./proto-source.ts";
export { knownFile } from "./known-files.ts";
