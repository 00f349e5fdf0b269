import { callbackSecretContext, endpointSecretContext } from "../callbacks/signing-secret.ts";
import { secretsContext } from "../connections/sealed-secrets.ts";
import { tokensContext } from "../connections/sealed-tokens.ts";
import { resendContext } from "../outbound-log/seal-resend.ts";

/** A column of envelopes. */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** What the table's rows are gone through by: an indexed column that is unique. */
  readonly key: { readonly column: string; readonly type: "text" | "uuid" | "bigint" };
  /** The column that names the place an envelope is bound to. */
  readonly subject: string;
  context(subject: string): string;
}

const byId = { column: "id", type: "text" } as const;
const byCaller = { column: "caller_id", type: "text" } as const;

/**
 * Every column that holds envelopes: `tl secrets rotate` goes through all of them. Who adds such a column adds it here,
 * or what is in it is lost with the old key.
 */
export const sealedColumns: readonly SealedColumn[] = [
  {
    table: "connections",
    column: "secrets",
    key: byId,
    subject: "id",
    context: secretsContext,
  },
  {
    table: "oauth_tokens",
    column: "tokens",
    key: { column: "connection_id", type: "text" },
    subject: "connection_id",
    context: tokensContext,
  },
  ...["secret", "previous_secret"].map((column) => ({
    table: "webhook_endpoints",
    column,
    key: byId,
    subject: "id",
    context: endpointSecretContext,
  })),
  ...["secret", "previous_secret"].map((column) => ({
    table: "callback_secrets",
    column,
    key: byCaller,
    subject: "caller_id",
    context: callbackSecretContext,
  })),
  {
    table: "outbound_calls",
    column: "resend",
    key: { column: "id", type: "bigint" },
    subject: "call_id",
    context: resendContext,
  },
];
