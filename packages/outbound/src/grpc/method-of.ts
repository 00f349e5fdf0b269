import {
  createFileRegistry,
  type DescMethod,
  type DescService,
  type FileRegistry,
} from "@bufbuild/protobuf";
import { type FileDescriptorProto } from "@bufbuild/protobuf/wkt";

import { completeDescriptors } from "./complete-descriptors.ts";
import { GrpcMessageError } from "./grpc-errors.ts";
import { knownFile } from "./known-files.ts";

/** A method with all that its messages are made of. */
export interface KnownMethod {
  readonly method: DescMethod;
  readonly registry: FileRegistry;
}

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

/**
 * Files with their service, ready to be asked for methods.
 *
 * @throws GrpcMessageError where there is no such service, or a file that it needs is missing or wrong
 */
export function serviceOf(
  files: readonly FileDescriptorProto[],
  name: string,
): { service: DescService; registry: FileRegistry } {
  completeDescriptors(files);
  const byName = new Map(files.map((file) => [file.name, file]));
  const home = files.find((file) =>
    file.service.some((service) => fullName(file.package, service.name) === name),
  );
  if (home === undefined) {
    const names = files.flatMap((file) =>
      file.service.map((service) => fullName(file.package, service.name)),
    );
    throw new GrpcMessageError(
      `there is no service ${name}${names.length === 0 ? "" : `; there is ${names.slice(0, 20).join(", ")}`}`,
    );
  }
  let registry: FileRegistry;
  try {
    registry = createFileRegistry(home, (file) => byName.get(file) ?? knownFile(file));
  } catch (error) {
    throw new GrpcMessageError(
      `the descriptors of ${name} are not whole: ${error instanceof Error ? error.message : "unreadable"}`,
    );
  }
  const service = registry.getService(name);
  if (service === undefined) throw new GrpcMessageError(`there is no service ${name}`);
  return { service, registry };
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

function fullName(prefix: string, name: string): string {
  return prefix === "" ? name : `${prefix}.${name}`;
}
