import { z } from "zod";
import { durationSchema } from "./duration.ts";
import { engineIdPattern } from "./scopes.ts";

const timestamp = z.string().meta({ format: "date-time" });

/** The longest address that is taken for deliveries, characters. */
export const maxCallbackUrl = 2048;

/** The longest time for which the secret before the latest one may go on signing. */
export const maxSigningOverlapMs = 7 * 86_400_000;

// oxlint-disable-next-line no-control-regex -- the URL parser drops them in silence: another address would be called
const unseen = /[\u0000-\u0020\u007f]/;

/**
 * What is wrong with an address to deliver to, or null. Its syntax alone: where it leads is judged when it is called.
 */
export function callbackUrlProblem(text: string): string | null {
  if (text.length > maxCallbackUrl) return `must be at most ${maxCallbackUrl} characters long`;
  if (unseen.test(text)) return "must have no spaces or control characters";
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) {
    return "must be an absolute http or https address";
  }
  if (url.username !== "" || url.password !== "") {
    return "must have no user name or password in it: receivers know us by the signature";
  }
  if (url.hash !== "") return "must have no fragment";
  return null;
}

/** An absolute http or https address without user name, password and fragment. */
export const callbackUrlSchema = z
  .string()
  .superRefine((text, check) => {
    const problem = callbackUrlProblem(text);
    if (problem !== null) check.addIssue({ code: "custom", message: problem });
  })
  .meta({
    format: "uri",
    description: `An absolute http or https address without credentials or fragment, at most ${maxCallbackUrl} characters`,
    example: "https://example.com/hook",
  });

export const webhookEndpointIdPattern = /^whe_[0-9a-z]{24}$/;
const endpointId = z.string().regex(webhookEndpointIdPattern, "must be a webhook endpoint's id");

/** Who hears of an execution's end: an address, or an endpoint that the caller has registered. */
export const callbackSchema = z
  .strictObject({
    url: callbackUrlSchema.optional(),
    endpoint: endpointId.optional().meta({ description: "A webhook endpoint's id" }),
  })
  .refine(({ url, endpoint }) => (url === undefined) !== (endpoint === undefined), {
    message: "must have either url or endpoint",
  })
  .meta({
    id: "Callback",
    description: "Either `url` or `endpoint`: hears of the execution's end, whatever it is",
    minProperties: 1,
    maxProperties: 1,
  });
export type Callback = z.infer<typeof callbackSchema>;

/** What a caller can be told of. */
export const webhookEvents = [
  "execution.succeeded",
  "execution.failed",
  "execution.canceled",
  "execution.expired",
] as const;

/** The body of POST /api/v1/webhook-endpoints. */
export const createWebhookEndpointSchema = z
  .strictObject({
    url: callbackUrlSchema,
    description: z.string().max(200).optional(),
    events: z.array(z.enum(webhookEvents)).max(webhookEvents.length).nullable().optional().meta({
      description:
        "null or left out: all; an empty list: only executions that name the endpoint in their callback",
    }),
    engines: z
      .array(z.string().regex(engineIdPattern, "must be an engine id"))
      .min(1)
      .max(100)
      .nullable()
      .optional()
      .meta({ description: "Hears of these engines' executions alone; null or left out: of all" }),
  })
  .meta({ id: "CreateWebhookEndpoint" });
export type CreateWebhookEndpoint = z.infer<typeof createWebhookEndpointSchema>;

/** The body of PATCH /api/v1/webhook-endpoints/{id}. */
export const changeWebhookEndpointSchema = createWebhookEndpointSchema
  .extend({
    is_active: z.boolean().meta({ description: "false: its pending deliveries end as disabled" }),
  })
  .partial()
  .meta({ id: "ChangeWebhookEndpoint" });
export type ChangeWebhookEndpoint = z.infer<typeof changeWebhookEndpointSchema>;

/** The body of the two ways to a new secret; it may be left out. */
export const rotateSigningSecretSchema = z
  .strictObject({ overlap: durationSchema.optional() })
  .meta({ id: "RotateSigningSecret" });

/** A registered address; its secret is not part of it. */
export const webhookEndpointSchema = z
  .object({
    id: z.string().meta({ example: "whe_0k2j8d61q4m7x9b3c5v0n8z2" }),
    caller: z.string().meta({ description: "Whose it is" }),
    url: z.string(),
    description: z.string(),
    events: z.array(z.enum(webhookEvents)).nullable(),
    engines: z.array(z.string()).nullable(),
    is_active: z.boolean(),
    disabled_at: timestamp.nullable(),
    disabled_reason: z.enum(["gone", "failing", "by_request"]).nullable().meta({
      description:
        "gone: it answered 410; failing: no delivery succeeded for 5 days; by_request: its owner switched it off",
    }),
    failing_since: timestamp.nullable(),
    last_error: z.string().nullable(),
    previous_secret_ends_at: timestamp.nullable(),
    created_at: timestamp,
  })
  .meta({ id: "WebhookEndpoint" });
export type WebhookEndpoint = z.infer<typeof webhookEndpointSchema>;

const shownOnce = z.string().meta({ description: "`whsec_…`, shown this once" });

/** An endpoint with its secret, which is shown this once. */
export const webhookEndpointWithSecretSchema = webhookEndpointSchema
  .extend({ secret: shownOnce })
  .meta({ id: "WebhookEndpointWithSecret" });
export type WebhookEndpointWithSecret = z.infer<typeof webhookEndpointWithSecretSchema>;

export const webhookEndpointListSchema = z
  .object({ webhook_endpoints: z.array(webhookEndpointSchema), next_cursor: z.string().nullable() })
  .meta({ id: "WebhookEndpointList" });

/** What signs deliveries to addresses that were given with a submit. */
export const callbackSecretSchema = z
  .object({
    secret: z.string().meta({ description: "`whsec_…`: signs what goes to a callback's url" }),
    previous_secret: z.string().nullable().meta({ description: "Signs too, until it ends" }),
    previous_secret_ends_at: timestamp.nullable(),
    created_at: timestamp,
  })
  .meta({ id: "CallbackSecret" });
export type CallbackSecret = z.infer<typeof callbackSecretSchema>;

export const callbackStatuses = ["pending", "delivered", "failed", "gone", "disabled"] as const;

/** What became of telling one address of one execution's end. */
export const callbackDeliverySchema = z
  .object({
    id: z.string().meta({ format: "uuid", description: "The `webhook-id`, the same in every try" }),
    execution_id: z.string().nullable().meta({ format: "uuid" }),
    event: z.string().meta({ example: "execution.succeeded" }),
    endpoint: z.string().nullable().meta({ description: "null: the callback's own url" }),
    url: z.string(),
    status: z.enum(callbackStatuses),
    tries: z.int(),
    next_try_at: timestamp.nullable(),
    last_tried_at: timestamp.nullable(),
    last_status: z.int().nullable().meta({ description: "The HTTP status that answered" }),
    last_error: z.string().nullable(),
    created_at: timestamp,
    finished_at: timestamp.nullable(),
  })
  .meta({ id: "CallbackDelivery" });
export type CallbackDelivery = z.infer<typeof callbackDeliverySchema>;

export const callbackListSchema = z
  .object({ callbacks: z.array(callbackDeliverySchema) })
  .meta({ id: "CallbackList" });
