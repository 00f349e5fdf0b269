import { z } from "zod";
import { authInputSchema, authShownSchema, pemSchema } from "./connection-auth.ts";
import { connectionHeadersSchema } from "./connection-header.ts";
import {
  connectionBreakerSchema,
  connectionLogSchema,
  connectionRateSchema,
  connectionRetrySchema,
  connectionTimeoutsSchema,
} from "./connection-limits.ts";
import { connectionIdPattern, connectionKinds } from "./connection-target.ts";
import { engineIdPattern } from "./scopes.ts";

const timestamp = z.string().meta({ format: "date-time" });

export const connectionIdSchema = z
  .string()
  .regex(
    connectionIdPattern,
    "must be a word of lower-case letters, digits, dots, hyphens and underscores, at most 64 long",
  )
  .meta({ example: "crm" });

/** A caller's name, as it is seen in logs and in the outbound log. */
const callerSchema = z
  .string()
  .regex(
    /^(plane|key:[0-9A-Za-z]{12}|jwt:[A-Za-z0-9_-]{43})$/,
    "must be a caller: plane, key:<id of a key> or jwt:<hash>",
  );

const methodSchema = z
  .string()
  .regex(/^[A-Z][A-Z-]{0,31}$/, "must be a method in upper case, such as GET")
  .refine(
    (method) => !["CONNECT", "TRACE", "TRACK"].includes(method),
    "must be another method: this one is never called",
  );

/** A path below the base URL; what could be read as another path is refused. */
const pathPatternSchema = z
  .string()
  .max(500)
  .regex(
    /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$/,
    "must be a path such as /v1/contacts/*, or /v1/** for all below it",
  )
  .refine(
    (path) => path.split("/").every((part) => !/^(\.|%2e){1,2}$/i.test(part)),
    "must not hold . or .. as a part",
  )
  .refine(
    (path) => path.split("/").every((part) => part === "**" || !part.includes("**")),
    "must have ** alone between its slashes; * stands for a part of one",
  );

const tlsInputSchema = z
  .strictObject({
    ca: pemSchema
      .nullable()
      .default(null)
      .meta({ description: "Authorities that replace the system's; null: the system's" }),
    certificate: pemSchema.nullable().default(null).meta({ description: "For mutual TLS" }),
    private_key: pemSchema.nullable().optional().meta({
      writeOnly: true,
      description:
        "Of the certificate. In a change that gives the certificate again it may be left out.",
    }),
  })
  .meta({ id: "ConnectionTls" });
export type TlsInput = z.infer<typeof tlsInputSchema>;

const tlsShownSchema = z
  .object({
    ca: z.string().nullable(),
    certificate: z.string().nullable(),
    secrets: z.array(z.string()).meta({ description: "The secret members that are set" }),
  })
  .meta({ id: "ConnectionTlsShown" });

/** What a connection is made of besides its id, its kind, `auth` and `tls`. */
const settings = {
  base_url: z.string().max(2048).meta({
    description:
      "https://, grpcs://, wss:// or smtps:// (or without the s) by kind; no user, query or fragment",
    example: "https://api.example.com/v2",
  }),
  description: z.string().max(1000).nullable(),
  headers: connectionHeadersSchema,
  timeouts: connectionTimeoutsSchema,
  retry: connectionRetrySchema,
  methods: z.array(methodSchema).min(1, "must name a method; null: all").max(20).nullable().meta({
    description: "Kind http: methods that may be used; null: all",
  }),
  paths: z.array(pathPatternSchema).min(1, "must name a path; null: all").max(100).nullable().meta({
    description:
      "Paths below base_url that may be called; * within a part, ** over parts; null: all",
  }),
  concurrency: z.int().min(1).max(10_000).nullable().meta({
    description: "Calls at once over all workers; null: no bound",
  }),
  rate: connectionRateSchema.nullable().meta({ description: "null: no bound" }),
  breaker: connectionBreakerSchema.nullable().meta({ description: "null: switched off" }),
  engines: z
    .array(z.string().regex(engineIdPattern, "must be an engine id"))
    .max(1000)
    .nullable()
    .meta({ description: "Engines that may use it; null: all" }),
  callers: z.array(callerSchema).max(1000).nullable().meta({
    description: "Callers whose executions may use it; null: all",
  }),
  log: connectionLogSchema,
  is_active: z.boolean(),
};

/** The body of POST /api/v1/connections. */
export const createConnectionSchema = z
  .strictObject({
    id: connectionIdSchema,
    kind: z.enum(connectionKinds, `must be one of ${connectionKinds.join(", ")}`),
    base_url: settings.base_url,
    description: settings.description.default(null),
    headers: settings.headers.default({}),
    auth: authInputSchema.default({ type: "none" }),
    tls: tlsInputSchema.prefault({}),
    timeouts: settings.timeouts.prefault({}),
    retry: settings.retry.prefault({}),
    methods: settings.methods.default(null),
    paths: settings.paths.default(null),
    concurrency: settings.concurrency.default(null),
    rate: settings.rate.default(null),
    breaker: settings.breaker.prefault({}),
    engines: settings.engines.default(null),
    callers: settings.callers.default(null),
    log: settings.log.prefault({}),
    is_active: settings.is_active.default(true),
  })
  .meta({ id: "CreateConnection" });
export type CreateConnection = z.output<typeof createConnectionSchema>;
export type CreateConnectionBody = z.input<typeof createConnectionSchema>;

/** The body of PATCH /api/v1/connections/{id}: what is given is replaced whole, except for secrets that are left out. */
export const changeConnectionSchema = z
  .strictObject({ ...settings, auth: authInputSchema, tls: tlsInputSchema })
  .partial()
  .meta({ id: "ChangeConnection" });
export type ChangeConnection = z.output<typeof changeConnectionSchema>;
export type ChangeConnectionBody = z.input<typeof changeConnectionSchema>;

/** A connection as it is shown: with every default, without secrets. */
export const connectionSchema = z
  .object({
    id: connectionIdSchema,
    kind: z.enum(connectionKinds),
    ...settings,
    auth: authShownSchema,
    tls: tlsShownSchema,
    revision: z.int().meta({ description: "Grows with every change" }),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: "Connection" });
export type Connection = z.output<typeof connectionSchema>;

/** What is kept of a connection in the open: all but `id`, `kind`, `is_active`, the secrets and what the record counts. */
export type ConnectionConfig = Omit<
  Connection,
  "id" | "kind" | "is_active" | "revision" | "created_at" | "updated_at"
>;

export const connectionListSchema = z
  .object({ connections: z.array(connectionSchema), next_cursor: z.string().nullable() })
  .meta({ id: "ConnectionList" });
export type ConnectionList = z.output<typeof connectionListSchema>;

/** The body of POST /api/v1/connections/{id}/test; it may be left out. */
export const testConnectionSchema = z
  .strictObject({
    path: z
      .string()
      .max(2000)
      .regex(/^\/[\x21-\x7e]*$/, "must be a path that begins with a slash, such as /health")
      .optional()
      .meta({ description: "Kind http: what to ask for, below base_url; left out: base_url" }),
  })
  .meta({ id: "TestConnection" });
export type TestConnection = z.output<typeof testConnectionSchema>;

/** What came of trying a connection. */
export const connectionTestSchema = z
  .object({
    ok: z.boolean(),
    duration_ms: z.number().nullable(),
    status: z.int().nullable().meta({ description: "Of the answer; null where there was none" }),
    error: z.object({ code: z.string(), detail: z.string() }).nullable(),
    execution_id: z.string().meta({ description: "Its calls are in the outbound log" }),
  })
  .meta({ id: "ConnectionTest" });
export type ConnectionTestResult = z.output<typeof connectionTestSchema>;
