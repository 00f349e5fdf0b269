import type { StartedExecution } from "@tl-engine/shared/executions/start.ts";
import type { CompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import type { RemoteOrder } from "./host/remote-order.ts";
import type { ServedEngine } from "./served-engine.ts";

/** What a host is told of an execution that a service is to do; undefined: it does it itself. */
export type RemoteOrderOf = (
  engine: ServedEngine,
  execution: StartedExecution,
) => RemoteOrder | undefined;

export interface RemoteOrdersOptions {
  /** null: no TL_SECRET_KEY. */
  tokens: CompletionTokens | null;
  /** Postgres' time in ms since 1970. */
  now(): number;
  /** The address under which services find the API; null: they know it themselves. */
  publicUrl: string | null;
}

/** See {@link RemoteOrderOf}. The secret key stays in this thread: a host gets the one token. */
export function createRemoteOrders({ tokens, now, publicUrl }: RemoteOrdersOptions): RemoteOrderOf {
  return ({ remote, descriptor }, { id, dispatch, maxAttempts, timeoutMs }) => {
    if (remote === undefined) return undefined;
    const path = `/api/v1/executions/${id}/complete`;
    return {
      ...remote,
      outputSchema: descriptor.output_schema,
      maxAttempts,
      timeoutMs,
      deadline: new Date(now() + timeoutMs).toISOString(),
      complete:
        tokens === null
          ? null
          : {
              ...(publicUrl === null ? {} : { url: `${publicUrl}${path}` }),
              path,
              token: tokens.make(id, dispatch),
            },
    };
  };
}
