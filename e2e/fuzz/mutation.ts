import type { WireRequest } from "./wire-request.ts";

/** One thing that is changed about a request. */
export interface Mutation {
  /** What it does, for whoever reads a finding. */
  readonly name: string;
  apply(request: WireRequest): WireRequest;
}
