/** There is no such endpoint, or it is somebody else's. */
export class WebhookEndpointNotFoundError extends Error {
  override name = "WebhookEndpointNotFoundError";

  constructor(id: string) {
    super(`there is no webhook endpoint ${id}`);
  }
}

/** A caller has as many endpoints as one may have: each of them is looked at whenever one of its executions ends. */
export class TooManyWebhookEndpointsError extends Error {
  override name = "TooManyWebhookEndpointsError";
  readonly max: number;

  constructor(max: number) {
    super(`a caller has at most ${max} webhook endpoints`);
    this.max = max;
  }
}
