/** What a host needs to have a service do an execution: see run-remote.ts. */
export interface RemoteOrder {
  connection: string;
  method: string;
  /** Below the connection's base URL. */
  path: string;
  /** Another one with every change of the engine: schemas are compiled once for each. */
  revision: number;
  outputSchema: object;
  maxAttempts: number;
  timeoutMs: number;
  /** When the attempt's timeout is over, by Postgres' clock: RFC 3339, UTC. */
  deadline: string;
  /** How the service says later what came of it; null: it cannot, since there is no secret key to make a token with. */
  complete: RemoteCompletion | null;
}

/** Where a completion goes, and what opens it. */
export interface RemoteCompletion {
  /** The whole address, where this deployment was told its own. */
  url?: string;
  path: string;
  /** For this execution and dispatch alone; it goes to the service, and nowhere else. */
  token: string;
}
