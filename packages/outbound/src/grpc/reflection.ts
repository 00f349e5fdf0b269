import { fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { knownFile } from "@tl-engine/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";

import { GrpcMessageError } from "./grpc-errors.ts";
import { reflectionMethod, reflectionPackages } from "./reflection-schema.ts";

/** Files that one service may need; more are a mistake, or meant to fill memory. */
const MAX_FILES = 500;

export interface ReflectionOptions {
  readonly transport: Transport;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

type Question = { readonly fileByFilename: string } | { readonly fileContainingSymbol: string };

/**
 * Asks a server for the files that a service is made of, with all that they import.
 *
 * @throws GrpcMessageError where it has no reflection, or not that service; ConnectError
 */
export async function reflectService(
  service: string,
  options: ReflectionOptions,
): Promise<FileDescriptorProto[]> {
  for (const pkg of reflectionPackages) {
    try {
      return await gather(service, pkg, options);
    } catch (error) {
      const unknown = error instanceof ConnectError && error.code === Code.Unimplemented;
      if (!unknown) throw error;
    }
  }
  throw new GrpcMessageError("the server has no reflection: give a descriptor set or .proto files");
}

async function gather(
  service: string,
  pkg: (typeof reflectionPackages)[number],
  options: ReflectionOptions,
): Promise<FileDescriptorProto[]> {
  const files = new Map<string, FileDescriptorProto>();
  const wanted: Question[] = [{ fileContainingSymbol: service }];
  for (let question = wanted.pop(); question !== undefined; question = wanted.pop()) {
    if ("fileByFilename" in question && files.has(question.fileByFilename)) continue;
    for (const file of await ask(question, pkg, options)) {
      if (files.has(file.name)) continue;
      files.set(file.name, file);
      if (files.size > MAX_FILES) {
        throw new GrpcMessageError(`${service} is made of more than ${MAX_FILES} files`);
      }
      for (const dependency of file.dependency) {
        if (knownFile(dependency) === undefined) wanted.push({ fileByFilename: dependency });
      }
    }
  }
  return [...files.values()];
}

async function ask(
  question: Question,
  pkg: (typeof reflectionPackages)[number],
  { transport, headers, timeoutMs, signal }: ReflectionOptions,
): Promise<FileDescriptorProto[]> {
  const method = reflectionMethod(pkg);
  const request =
    "fileByFilename" in question
      ? { file_by_filename: question.fileByFilename }
      : { file_containing_symbol: question.fileContainingSymbol };
  async function* requests() {
    yield fromJson(method.input, request);
  }
  const answer = await transport.stream(method, signal, timeoutMs, { ...headers }, requests());
  for await (const message of answer.message) {
    const said = toJson(method.output, message) as {
      file_descriptor_response?: { file_descriptor_proto?: string[] };
      error_response?: { error_code?: number };
    };
    if (said.error_response) {
      const name =
        "fileByFilename" in question ? question.fileByFilename : question.fileContainingSymbol;
      throw new GrpcMessageError(`the server's reflection does not know ${name}`);
    }
    return (said.file_descriptor_response?.file_descriptor_proto ?? []).map((base64) =>
      fromBinary(FileDescriptorProtoSchema, Buffer.from(base64, "base64")),
    );
  }
  throw new GrpcMessageError("the server's reflection gave no answer");
}
