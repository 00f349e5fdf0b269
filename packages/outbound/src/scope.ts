import { type DoorPorts } from "./ports.ts";

/** The execution on whose behalf calls are made, over whatever protocol. */
export interface CallScope extends DoorPorts {
  readonly executionId: string;
  readonly attempt: number;
  readonly dispatch: number;
  /** Ends every call under way when it aborts: the socket is closed at once. */
  readonly signal: AbortSignal;
  /** How long the attempt may still run, ms: a deadline that is told to others is never later. */
  remainingMs?(): number;
  /** W3C Trace Context, passed on with every call. */
  readonly traceparent?: string | undefined;
}
