import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { DurationSchema, durationMs } from "@bufbuild/protobuf/wkt";
import { type ConnectError } from "@connectrpc/connect";

const MAX_MS = 24 * 60 * 60 * 1000;

/**
 * How long a server asks to wait, ms: by a `google.rpc.RetryInfo` among the error's details, or by the trailer
 * `grpc-retry-pushback-ms` (gRFC A6); undefined where it asks for nothing that can be read.
 */
export function retryDelayMs(error: ConnectError): number | undefined {
  const pushback = error.metadata.get("grpc-retry-pushback-ms");
  if (pushback !== null && /^[0-9]{1,12}$/.test(pushback))
    return Math.min(Number(pushback), MAX_MS);
  for (const detail of error.details) {
    if (!("type" in detail) || detail.type !== "google.rpc.RetryInfo") continue;
    const ms = retryInfoMs(detail.value);
    if (ms !== undefined) return ms;
  }
  return undefined;
}

/** `retry_delay` is field 1, a google.protobuf.Duration. */
function retryInfoMs(bytes: Uint8Array): number | undefined {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) {
        const ms = durationMs(fromBinary(DurationSchema, reader.bytes()));
        return ms >= 0 ? Math.min(ms, MAX_MS) : undefined;
      }
      reader.skip(wireType, field);
    }
  } catch {
    // What cannot be read asks for nothing.
  }
  return undefined;
}
