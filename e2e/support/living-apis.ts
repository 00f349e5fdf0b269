import type { Deployment } from "./deployment.ts";

/** Indices of the APIs whose processes live. */
export function livingApis({ apis }: Deployment): number[] {
  return apis.flatMap((api, index) => (api.ended === null ? [index] : []));
}
