import { createHash } from "node:crypto";

import { type DescService, type FileRegistry } from "@bufbuild/protobuf";
import { type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { filesOf, registryOf } from "@tl-engine/protobuf";

import { type GrpcSchema } from "./grpc-client.ts";
import { GrpcMessageError } from "./grpc-errors.ts";

export interface KnownService {
  readonly service: DescService;
  readonly registry: FileRegistry;
}

/** Services whose descriptors were read before: reading them takes longer than most calls. */
export interface SchemaCache {
  /**
   * @param origin whose reflection it is
   * @param reflect asks the server
   * @throws ProtobufError, GrpcMessageError, and what `reflect` throws
   */
  find(
    schema: GrpcSchema,
    origin: string,
    service: string,
    reflect: () => Promise<FileDescriptorProto[]>,
  ): Promise<KnownService>;
}

const MAX_ENTRIES = 50;
/** How long a server's reflection is believed, ms: it may have been deployed anew. */
const REFLECTED_MS = 300_000;

/** See {@link SchemaCache}. */
export function createSchemaCache(now: () => number = () => performance.now()): SchemaCache {
  const entries = new Map<string, { known: Promise<KnownService>; until: number }>();

  return {
    find(schema, origin, service, reflect) {
      const key = `${keyOf(schema, origin)} ${service}`;
      const entry = entries.get(key);
      if (entry !== undefined && entry.until > now()) return entry.known;
      const known = load(schema, service, reflect);
      const until = schema.from === "reflection" ? now() + REFLECTED_MS : Infinity;
      entries.delete(key);
      entries.set(key, { known, until });
      known.catch(() => {
        if (entries.get(key)?.known === known) entries.delete(key);
      });
      const [oldest] = entries.keys();
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
      return known;
    },
  };
}

function keyOf(schema: GrpcSchema, origin: string): string {
  if (schema.from === "reflection") return `reflection ${origin}`;
  const hash = createHash("sha256");
  if (schema.from === "descriptor_set") hash.update(schema.bytes);
  else hash.update(JSON.stringify(schema.files));
  return hash.digest("hex");
}

async function load(
  schema: GrpcSchema,
  name: string,
  reflect: () => Promise<FileDescriptorProto[]>,
): Promise<KnownService> {
  const files = schema.from === "reflection" ? await reflect() : await filesOf(schema);
  const registry = registryOf(files, "service", name);
  const service = registry.getService(name);
  if (service === undefined) throw new GrpcMessageError(`there is no service ${name}`);
  return { service, registry };
}
