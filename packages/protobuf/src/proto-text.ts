import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";

import { ProtobufError } from "./protobuf-error.ts";

/**
 * Descriptors of `.proto` texts.
 *
 * @throws ProtobufError with file and line where a text cannot be read, or imports what is not given
 */
export function descriptorsOfProto(files: Readonly<Record<string, string>>): FileDescriptorProto[] {
  const root = new protobuf.Root();
  const given = new Set(Object.keys(files));
  for (const [name, text] of Object.entries(files)) {
    let imports: string[];
    try {
      // Field names stay as they are written; protoc's JSON names are made of them.
      imports = protobuf.parse(text, root, { keepCase: true }).imports ?? [];
    } catch (error) {
      throw new ProtobufError(`${name}: ${error instanceof Error ? error.message : "unreadable"}`);
    }
    for (const imported of imports) {
      if (!given.has(imported) && !addKnown(root, imported)) {
        throw new ProtobufError(`${name} imports ${imported}, which is not among the files given`);
      }
    }
  }
  try {
    root.resolveAll();
  } catch (error) {
    throw new ProtobufError(error instanceof Error ? error.message : "unreadable");
  }
  // Its JavaScript gives every Root this method; its types do not say so.
  const set = (root as unknown as { toDescriptor(syntax: string): object }).toDescriptor("proto3");
  const bytes = descriptor.FileDescriptorSet.encode(set).finish();
  return fromBinary(FileDescriptorSetSchema, bytes).file;
}

/** Adds a file of google/protobuf that comes with the library; false where it does not. */
function addKnown(root: protobuf.Root, name: string): boolean {
  const known = protobuf.common.get(name);
  if (known === null) return false;
  if (known.nested) root.addJSON(known.nested);
  return true;
}
