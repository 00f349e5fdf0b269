import { createFileRegistry, fromBinary, type FileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";

import { completeDescriptors } from "./complete-descriptors.ts";
import { knownFile } from "./known-files.ts";
import { ProtobufError } from "./protobuf-error.ts";

/** Where the shape of messages is known from. */
export type ProtoSource =
  /** A FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` and `buf build` write it. */
  | { readonly from: "descriptor_set"; readonly bytes: Uint8Array }
  /** `.proto` texts by the names under which they import one another; google/protobuf/* are known. */
  | { readonly from: "proto"; readonly files: Readonly<Record<string, string>> };

/**
 * The descriptors that a source is made of.
 *
 * @throws ProtobufError where it cannot be read
 */
export async function filesOf(source: ProtoSource): Promise<FileDescriptorProto[]> {
  if (source.from === "proto") {
    // The parser is large, and few need it.
    const { descriptorsOfProto } = await import("./proto-text.ts");
    return descriptorsOfProto(source.files);
  }
  try {
    return fromBinary(FileDescriptorSetSchema, source.bytes).file;
  } catch {
    throw new ProtobufError("the descriptor set cannot be read: it is no FileDescriptorSet");
  }
}

/**
 * All that the one file with `name` in it needs.
 *
 * @param kind what `name` is the full name of
 * @param files completed in place
 * @throws ProtobufError where there is none, or a file that it needs is missing or wrong
 */
export function registryOf(
  files: readonly FileDescriptorProto[],
  kind: "service" | "message",
  name: string,
): FileRegistry {
  completeDescriptors(files);
  const home = files.find((file) => namesOf(file, kind).includes(name));
  if (home === undefined) {
    const names = files.flatMap((file) => namesOf(file, kind)).slice(0, 20);
    const there = names.length === 0 ? "" : `; there is ${names.join(", ")}`;
    throw new ProtobufError(`there is no ${kind} ${name}${there}`);
  }
  const byName = new Map(files.map((file) => [file.name, file]));
  try {
    return createFileRegistry(home, (file) => byName.get(file) ?? knownFile(file));
  } catch (error) {
    const why = error instanceof Error ? error.message : "unreadable";
    throw new ProtobufError(`the descriptors of ${name} are not whole: ${why}`);
  }
}

/** Full names of what a file defines; of messages those that are not within another one first. */
function namesOf(file: FileDescriptorProto, kind: "service" | "message"): string[] {
  const prefix = file.package === "" ? "" : `${file.package}.`;
  if (kind === "service") return file.service.map(({ name }) => prefix + name);
  const names = file.messageType.map((message) => ({ message, name: prefix + message.name }));
  for (const { message, name } of names) {
    for (const nested of message.nestedType) {
      names.push({ message: nested, name: `${name}.${nested.name}` });
    }
  }
  return names.map(({ name }) => name);
}
