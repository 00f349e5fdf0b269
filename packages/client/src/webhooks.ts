import type { CallOptions } from "./keys.ts";
import { readAll } from "./pages.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type {
  CallbackDelivery,
  CallbackSecret,
  ChangeWebhookEndpoint,
  CreateWebhookEndpoint,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from "./wire.ts";

/** For how long the secret before goes on signing (`1h`; default 24 h, at most 7 days, `0s`: ends now). */
export type RotateOptions = CallOptions & { overlap?: string };

/** Who is told of what the caller's executions come to. */
export interface WebhooksClient {
  /** `secret` in the answer is shown this once. Not repeated after a broken connection: there could be two. */
  create(
    endpoint: CreateWebhookEndpoint,
    options?: CallOptions,
  ): Promise<WebhookEndpointWithSecret>;
  /** The caller's own; tl-plane sees everybody's. */
  list(options?: CallOptions): Promise<WebhookEndpoint[]>;
  get(id: string, options?: CallOptions): Promise<WebhookEndpoint>;
  change(
    id: string,
    changes: ChangeWebhookEndpoint,
    options?: CallOptions,
  ): Promise<WebhookEndpoint>;
  delete(id: string, options?: CallOptions): Promise<void>;
  /** Switches on again one that was switched off. */
  enable(id: string, options?: CallOptions): Promise<WebhookEndpoint>;
  /** Another secret, shown this once. */
  rotate(id: string, options?: RotateOptions): Promise<WebhookEndpointWithSecret>;
  /** Sends a `test.ping` and says what came of it. Takes up to 18 s. */
  test(id: string, options?: CallOptions): Promise<CallbackDelivery>;
  /** What signs deliveries to the `callback.url` of a submit. */
  callbackSecret(options?: CallOptions): Promise<CallbackSecret>;
  rotateCallbackSecret(options?: RotateOptions): Promise<CallbackSecret>;
  /** Who is told of an execution's end, and what came of it. */
  callbacksOf(executionId: string, options?: CallOptions): Promise<CallbackDelivery[]>;
  /** Sends one again now, under the same `webhook-id`. */
  resend(executionId: string, callbackId: string, options?: CallOptions): Promise<CallbackDelivery>;
}

export function createWebhooksClient(http: Http): WebhooksClient {
  const endpoints = (...rest: string[]) => pathOf("webhook-endpoints", ...rest);
  const post = async (path: string, json: unknown, signal: AbortSignal | undefined) =>
    (await http.send({ method: "POST", path, json, signal }, { repeat: "once" })).body;
  const overlapOf = (overlap: string | undefined) => (overlap === undefined ? {} : { overlap });
  return {
    create: async (endpoint, { signal } = {}) =>
      (await post(endpoints(), endpoint, signal)) as WebhookEndpointWithSecret,
    list: ({ signal } = {}) =>
      readAll<WebhookEndpoint>(http, {
        path: endpoints(),
        member: "webhook_endpoints",
        query: { limit: 100 },
        signal,
      }),
    get: async (id, { signal } = {}) =>
      (await http.send({ method: "GET", path: endpoints(id), signal })).body as WebhookEndpoint,
    async change(id, changes, { signal } = {}) {
      const request = { method: "PATCH", path: endpoints(id), json: changes, signal } as const;
      return (await http.send(request)).body as WebhookEndpoint;
    },
    async delete(id, { signal } = {}) {
      await http.send({ method: "DELETE", path: endpoints(id), signal }, { repeat: "once" });
    },
    async enable(id, { signal } = {}) {
      const request = { method: "POST", path: endpoints(id, "enable"), signal } as const;
      return (await http.send(request)).body as WebhookEndpoint;
    },
    rotate: async (id, { overlap, signal } = {}) =>
      (await post(
        endpoints(id, "rotate-secret"),
        overlapOf(overlap),
        signal,
      )) as WebhookEndpointWithSecret,
    test: async (id, { signal } = {}) =>
      (await post(endpoints(id, "test"), {}, signal)) as CallbackDelivery,
    async callbackSecret({ signal } = {}) {
      const request = { method: "GET", path: pathOf("callback-secret"), signal } as const;
      return (await http.send(request)).body as CallbackSecret;
    },
    rotateCallbackSecret: async ({ overlap, signal } = {}) =>
      (await post(
        pathOf("callback-secret", "rotate"),
        overlapOf(overlap),
        signal,
      )) as CallbackSecret,
    async callbacksOf(executionId, { signal } = {}) {
      const path = pathOf("executions", executionId, "callbacks");
      const { body } = await http.send({ method: "GET", path, signal });
      return (body as { callbacks: CallbackDelivery[] }).callbacks;
    },
    async resend(executionId, callbackId, { signal } = {}) {
      const path = pathOf("executions", executionId, "callbacks", callbackId, "resend");
      return (await http.send({ method: "POST", path, signal })).body as CallbackDelivery;
    },
  };
}
