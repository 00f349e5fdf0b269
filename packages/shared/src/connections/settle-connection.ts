import {
  readBaseUrl,
  type ChangeConnection,
  type ConnectionConfig,
  type ConnectionKind,
  type CreateConnection,
} from "@tl-engine/contract";
import { ConnectionInvalidError } from "./connection-errors.ts";
import { judgeConnection } from "./judge-connection.ts";
import { noSecrets, type ConnectionSecrets } from "./sealed-secrets.ts";
import { settleAuth } from "./settle-auth.ts";
import { settleTls } from "./settle-tls.ts";

/** A connection as it is to be kept. */
export interface SettledConnection {
  readonly config: ConnectionConfig;
  /** null: they stay as they are. */
  readonly secrets: ConnectionSecrets | null;
}

/** @throws ConnectionInvalidError naming all that is wrong */
export function settleNew(wanted: CreateConnection, nowMs: number): SettledConnection {
  const { id: _id, kind, is_active: _isActive, auth, tls, ...rest } = wanted;
  const settledAuth = settleAuth(auth, () => noSecrets.auth);
  const settledTls = settleTls(tls, () => noSecrets.tls, nowMs);
  return finish({
    kind,
    config: { ...rest, auth: settledAuth.shown, tls: settledTls.shown },
    secrets: { auth: settledAuth.secrets, tls: settledTls.secrets },
    errors: [...settledAuth.errors, ...settledTls.errors],
  });
}

/**
 * The connection with what is given in the place of what there was. Secrets that are left out stay, those of `auth` only
 * while its type does.
 * @param keptSecrets opens those that are kept; asked only where one of them is needed
 * @throws ConnectionInvalidError naming all that is wrong
 */
export function settleChange(
  old: { readonly kind: ConnectionKind; readonly config: ConnectionConfig },
  changes: ChangeConnection,
  keptSecrets: () => ConnectionSecrets,
  nowMs: number,
): SettledConnection {
  const { is_active: _isActive, auth, tls, ...rest } = changes;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const config: ConnectionConfig = { ...old.config, ...given };
  const { kind } = old;
  if (auth === undefined && tls === undefined) {
    return finish({ kind, config, secrets: null, errors: [] });
  }
  const settledAuth =
    auth === undefined
      ? {
          shown: config.auth,
          secrets: keptOf(config.auth.secrets, () => keptSecrets().auth),
          errors: [],
        }
      : settleAuth(auth, () => (auth.type === config.auth.type ? keptSecrets().auth : {}));
  const settledTls =
    tls === undefined
      ? {
          shown: config.tls,
          secrets: keptOf(config.tls.secrets, () => keptSecrets().tls),
          errors: [],
        }
      : settleTls(tls, () => keptSecrets().tls, nowMs);
  return finish({
    kind,
    config: { ...config, auth: settledAuth.shown, tls: settledTls.shown },
    secrets: { auth: settledAuth.secrets, tls: settledTls.secrets },
    errors: [...settledAuth.errors, ...settledTls.errors],
  });
}

/** Opens nothing where there is nothing to keep. */
function keptOf<T extends object>(names: readonly string[], open: () => T): T {
  return names.length === 0 ? ({} as T) : open();
}

function finish(draft: {
  kind: ConnectionKind;
  config: ConnectionConfig;
  secrets: ConnectionSecrets | null;
  errors: readonly { pointer: string; detail: string }[];
}): SettledConnection {
  const { kind, config, secrets } = draft;
  const errors = [...draft.errors, ...judgeConnection(kind, config)];
  if (errors.length > 0) throw new ConnectionInvalidError(errors);
  const read = readBaseUrl(config.base_url, kind);
  return {
    config: { ...config, base_url: "url" in read ? read.url : config.base_url },
    secrets,
  };
}
