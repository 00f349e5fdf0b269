import { z } from "zod";

/** A JSON Schema as the document holds it. */
export type Schema = Readonly<Record<string, unknown>> | boolean;

/** One parameter of an operation. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly schema: Schema;
}

/** What the document promises of one status. */
export interface Documented {
  /** Names of headers, lower case. */
  readonly headers: ReadonlySet<string>;
  /** Media types. */
  readonly content: ReadonlySet<string>;
  /** The problem codes that its description names. */
  readonly codes: ReadonlySet<string>;
}

/** One operation of the OpenAPI document. */
export interface Operation {
  /** `POST /api/v1/engines/{engine_id}/execute` */
  readonly name: string;
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly schema: Schema; readonly required: boolean } | null;
  /**
   * `none`: for everybody; `plane`: no token opens it, and of the keys tl-plane's alone; `own`: a service's token for one
   * execution, which nobody here has.
   */
  readonly credential: "none" | "any" | "plane" | "own";
  readonly responses: ReadonlyMap<number, Documented>;
}

/** The document, as far as a caller who reads it needs it. */
export interface ApiDocument {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly operations: readonly Operation[];
  /** Follows a `$ref`, as often as it takes. */
  resolve(schema: Schema): Schema;
}

const schemaSchema = z.custom<Schema>((value) => ["object", "boolean"].includes(typeof value));
const operationSchema = z.object({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z
    .array(
      z.object({
        name: z.string(),
        in: z.enum(["path", "query", "header"]),
        required: z.boolean().default(false),
        schema: schemaSchema,
      }),
    )
    .default([]),
  requestBody: z
    .object({
      required: z.boolean().default(false),
      content: z.object({ "application/json": z.object({ schema: schemaSchema }) }),
    })
    .optional(),
  responses: z.record(
    z.string(),
    z.object({
      description: z.string(),
      headers: z.record(z.string(), z.unknown()).default({}),
      content: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
});
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), schemaSchema) }),
});

/**
 * Reads the operations off an OpenAPI 3.1 document.
 *
 * @throws ZodError where it holds what this reader does not know: then a request would go untested in silence
 */
export function readDocument(raw: unknown): ApiDocument {
  const document = documentSchema.parse(raw);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => readOperation(method, path, one)),
  );
  const resolve = (schema: Schema): Schema => {
    if (typeof schema === "boolean" || typeof schema["$ref"] !== "string") return schema;
    const name = schema["$ref"].replace("#/components/schemas/", "");
    const found = document.components.schemas[name];
    if (found === undefined) throw new Error(`The document has no schema ${schema["$ref"]}`);
    return resolve(found);
  };
  return { raw: raw as Record<string, unknown>, operations, resolve };
}

function readOperation(
  method: string,
  path: string,
  one: z.output<typeof operationSchema>,
): Operation {
  const schemes = new Set(one.security.flatMap((alternative) => Object.keys(alternative)));
  return {
    name: `${method.toUpperCase()} ${path}`,
    id: one.operationId,
    method: method.toUpperCase(),
    path,
    parameters: one.parameters,
    body:
      one.requestBody === undefined
        ? null
        : {
            schema: one.requestBody.content["application/json"].schema,
            required: one.requestBody.required,
          },
    credential: credentialOf(schemes),
    responses: new Map(
      Object.entries(one.responses).map(([status, { description, headers, content }]) => [
        Number(status),
        {
          headers: new Set(Object.keys(headers).map((name) => name.toLowerCase())),
          content: new Set(Object.keys(content)),
          codes: new Set([...description.matchAll(/`([a-z_]+)`:/g)].map(([, code = ""]) => code)),
        },
      ]),
    ),
  };
}

function credentialOf(schemes: ReadonlySet<string>): Operation["credential"] {
  if (schemes.size === 0) return "none";
  if (schemes.has("completion")) return "own";
  return schemes.has("bearer") ? "any" : "plane";
}
