import { type DescMethod, type DescService } from "@bufbuild/protobuf";

import { GrpcMessageError } from "./grpc-errors.ts";

/** `package.Service/Method`, with or without a leading slash. */
const METHOD = /^\/?([A-Za-z_][\w.]{0,255})\/([A-Za-z_]\w{0,127})$/;

/** @throws GrpcMessageError where it is no method's name */
export function readMethodName(text: string): { service: string; method: string } {
  const [, service, method] = METHOD.exec(text) ?? [];
  if (service === undefined || method === undefined) {
    throw new GrpcMessageError(
      `${JSON.stringify(text.slice(0, 200))} is no method: it is package.Service/Method`,
    );
  }
  return { service, method };
}

/** @throws GrpcMessageError where the service has no such method, or its callers stream */
export function methodOf(service: DescService, name: string): DescMethod {
  const method = service.methods.find((known) => known.name === name);
  if (method === undefined) {
    const names = service.methods.map((known) => known.name);
    throw new GrpcMessageError(
      `${service.typeName} has no method ${name}; it has ${names.slice(0, 20).join(", ")}`,
    );
  }
  if (method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") {
    throw new GrpcMessageError(
      `${service.typeName}/${name} streams requests; unary and server-streaming methods can be called`,
    );
  }
  return method;
}
