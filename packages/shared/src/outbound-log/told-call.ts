import type { OutboundCall } from "@tl-engine/outbound";

/** Why a call was made. */
export const callPurposes = ["engine", "token", "callback"] as const;
export type CallPurpose = (typeof callPurposes)[number];

/** A call as it is told: by a host, or by whoever calls on behalf of an execution, such as the one who delivers callbacks. */
export type ToldCall = Omit<OutboundCall, "purpose"> & { readonly purpose: CallPurpose };
