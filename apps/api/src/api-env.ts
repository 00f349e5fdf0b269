import type { ProblemCode } from "@tl-engine/contract";
import type { Caller } from "@tl-engine/shared/callers/caller.ts";
import type { HttpBindings } from "@hono/node-server";

/** What middleware leaves for those that come after it. */
export interface ApiEnv {
  /** Empty where a request is made in memory. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    /** The path of the endpoint, with its placeholders; unset where there is none. */
    route?: string;
    /** Set on every endpoint that is not public. */
    caller: Caller;
    /** The code of the problem that was answered, for the log. */
    problem?: ProblemCode;
    /** How long the request was held because its caller asked to wait, ms. */
    waitedMs?: number;
    /** The execution that the request was about, for the log. */
    executionId?: string;
  };
}
