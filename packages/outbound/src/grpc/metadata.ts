import { OutboundRefusedError } from "../errors.ts";
import { checkHeaders } from "../request-headers.ts";

/** Names that gRPC or HTTP/2 set themselves. */
const OURS = /^(grpc-.*|content-type|content-encoding|accept-encoding|user-agent)$/;
const VALUE = /^[\u0020-\u007e]*$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Metadata as it is sent: lower-case names.
 *
 * @throws OutboundRefusedError for what is no metadata (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
 *   names of gRPC's own, values that are not ASCII, `-bin` values that are not base64
 */
export function checkMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const checked = checkHeaders(metadata);
  for (const [name, value] of Object.entries(checked)) {
    if (OURS.test(name))
      throw new OutboundRefusedError(`the metadata ${name} is set by gRPC itself`);
    if (name.endsWith("-bin") ? !BASE64.test(value) : !VALUE.test(value)) {
      throw new OutboundRefusedError(
        `the value of the metadata ${name} is not ${name.endsWith("-bin") ? "base64" : "ASCII"}`,
      );
    }
  }
  return checked;
}

/** Headers as a plain object. */
export function plainMetadata(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name !== "__proto__"));
}
