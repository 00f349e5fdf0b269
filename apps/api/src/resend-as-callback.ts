import type { CallbackDelivery } from "@tl-engine/contract";
import { readDelivery } from "@tl-engine/shared/callbacks/deliveries.ts";
import { resendDelivery, type ResendResult } from "@tl-engine/shared/callbacks/resend.ts";
import type { CallerRef } from "@tl-engine/shared/executions/row.ts";
import type { FoundCall } from "@tl-engine/shared/outbound-log/read-call.ts";
import type { ApiDeps } from "./api-deps.ts";
import { readExecutionId } from "./execution-answer.ts";
import { Refusal } from "./problem.ts";

/** @throws Refusal 409 where a delivery cannot be sent again since its endpoint is off */
export function refuseDisabled(result: ResendResult): void {
  if (result !== "disabled") return;
  throw new Refusal(
    "webhook_endpoint_disabled",
    "Its endpoint is switched off or removed; nothing is sent there",
  );
}

/**
 * Sends again what a row of the outbound log delivered, where that was a callback: each of its tries carries the
 * `webhook-id` as its key.
 * @returns the delivery; null where the call was none, or its delivery is gone
 * @throws Refusal 409
 */
export async function resendAsCallback(
  { db }: Pick<ApiDeps, "db">,
  caller: CallerRef,
  call: Pick<FoundCall, "purpose" | "json">,
): Promise<CallbackDelivery | null> {
  if (call.purpose !== "callback") return null;
  const { idempotency_key: key } = JSON.parse(call.json) as { idempotency_key: string | null };
  const id = readExecutionId(key ?? "");
  if (id === null) return null;
  const result = await resendDelivery(db.pool, caller, id);
  refuseDisabled(result);
  return result === "not_found" ? null : readDelivery(db.pool, id);
}
