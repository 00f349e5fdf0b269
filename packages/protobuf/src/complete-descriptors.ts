import {
  type DescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
} from "@bufbuild/protobuf/wkt";

/**
 * Fills in what protoc writes and some sources of descriptors leave out: full names of types, JSON names of fields, and
 * which file depends on which. What is there stays.
 *
 * @param files changed in place
 */
export function completeDescriptors(files: readonly FileDescriptorProto[]): void {
  const homes = new Map<string, FileDescriptorProto>();
  for (const file of files) {
    const prefix = file.package === "" ? "" : `.${file.package}`;
    for (const name of typeNames(file.messageType, file.enumType, prefix)) homes.set(name, file);
  }
  for (const file of files) completeFile(file, homes);
}

function completeFile(
  file: FileDescriptorProto,
  homes: ReadonlyMap<string, FileDescriptorProto>,
): void {
  const needed = new Set(file.dependency);
  const full = (name: string, scope: string): string => {
    const found = name.startsWith(".") ? name : lookUp(name, scope, homes);
    const home = homes.get(found);
    if (home !== undefined && home !== file) needed.add(home.name);
    return found;
  };
  const completeField = (field: FieldDescriptorProto, scope: string) => {
    if (field.typeName !== "") field.typeName = full(field.typeName, scope);
    if (field.extendee !== "") field.extendee = full(field.extendee, scope);
    if (field.jsonName === "") field.jsonName = lowerCamel(field.name);
  };
  const completeMessage = (message: DescriptorProto, prefix: string) => {
    const scope = `${prefix}.${message.name}`;
    for (const field of [...message.field, ...message.extension]) completeField(field, scope);
    for (const nested of message.nestedType) completeMessage(nested, scope);
  };

  const prefix = file.package === "" ? "" : `.${file.package}`;
  for (const message of file.messageType) completeMessage(message, prefix);
  for (const field of file.extension) completeField(field, prefix);
  for (const service of file.service) {
    for (const method of service.method) {
      method.inputType = full(method.inputType, prefix);
      method.outputType = full(method.outputType, prefix);
    }
  }
  file.dependency = [...needed];
}

/** Full names of all messages and enums, nested ones too, with a leading dot. */
function typeNames(
  messages: readonly DescriptorProto[],
  enums: readonly { readonly name: string }[],
  prefix: string,
): string[] {
  return [
    ...enums.map(({ name }) => `${prefix}.${name}`),
    ...messages.flatMap(({ name, nestedType, enumType }) => [
      `${prefix}.${name}`,
      ...typeNames(nestedType, enumType, `${prefix}.${name}`),
    ]),
  ];
}

/** A relative name, looked up from the innermost scope outwards as protoc does it. */
function lookUp(name: string, scope: string, homes: ReadonlyMap<string, unknown>): string {
  for (let at = scope; ; at = at.slice(0, at.lastIndexOf("."))) {
    const candidate = `${at}.${name}`;
    if (homes.has(candidate) || at === "") return candidate;
  }
}

/** As protoc makes a JSON name: underscores go, and what follows them is a capital. */
function lowerCamel(name: string): string {
  return name.replace(/_+([a-zA-Z0-9])/g, (_all, letter: string) => letter.toUpperCase());
}
