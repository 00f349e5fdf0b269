import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethodBiDiStreaming,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

/** Versions of the reflection service, newest first; their messages are the same. */
export const reflectionPackages = ["grpc.reflection.v1", "grpc.reflection.v1alpha"] as const;

const text = (name: string, number: number) => field(name, number, { type: Type.STRING });
const field = (
  name: string,
  number: number,
  more: { type: Type; label?: Label; typeName?: string; oneofIndex?: number },
) => ({ name, number, jsonName: name, label: more.label ?? Label.OPTIONAL, ...more });

/**
 * The method that tells a server's descriptors
 * (https://github.com/grpc/grpc/blob/master/src/proto/grpc/reflection/v1/reflection.proto), of which only what is asked
 * here is written down; other fields are unknown fields, which are skipped.
 */
export function reflectionMethod(
  pkg: (typeof reflectionPackages)[number],
): DescMethodBiDiStreaming<DescMessage, DescMessage> {
  const request = [
    { ...text("file_by_filename", 3), oneofIndex: 0 },
    { ...text("file_containing_symbol", 4), oneofIndex: 0 },
  ];
  const response = [
    field("file_descriptor_response", 4, {
      type: Type.MESSAGE,
      typeName: `.${pkg}.FileDescriptorResponse`,
      oneofIndex: 0,
    }),
    field("error_response", 7, {
      type: Type.MESSAGE,
      typeName: `.${pkg}.ErrorResponse`,
      oneofIndex: 0,
    }),
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: `${pkg}.proto`,
    package: pkg,
    syntax: "proto3",
    messageType: [
      {
        name: "ServerReflectionRequest",
        field: request,
        oneofDecl: [{ name: "message_request" }],
      },
      {
        name: "ServerReflectionResponse",
        field: response,
        oneofDecl: [{ name: "message_response" }],
      },
      {
        name: "FileDescriptorResponse",
        field: [field("file_descriptor_proto", 1, { type: Type.BYTES, label: Label.REPEATED })],
      },
      {
        name: "ErrorResponse",
        field: [field("error_code", 1, { type: Type.INT32 }), text("error_message", 2)],
      },
    ],
    service: [
      {
        name: "ServerReflection",
        method: [
          {
            name: "ServerReflectionInfo",
            inputType: `.${pkg}.ServerReflectionRequest`,
            outputType: `.${pkg}.ServerReflectionResponse`,
            clientStreaming: true,
            serverStreaming: true,
          },
        ],
      },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService(`${pkg}.ServerReflection`);
  return service?.methods[0] as DescMethodBiDiStreaming<DescMessage, DescMessage>;
}
