import { type AcceptStatus } from "./http-client.ts";

/** Whether a status counts as a success; where nothing is said, all below 400 do. */
export function isAccepted(status: number, accept: AcceptStatus | undefined): boolean {
  if (accept === undefined) return status < 400;
  if (accept === "any") return true;
  if (typeof accept === "function") return accept(status);
  return accept.some((item) => item === status || item === `${Math.floor(status / 100)}xx`);
}
