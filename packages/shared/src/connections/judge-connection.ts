import {
  isSecureBaseUrl,
  judgeHeaderName,
  readBaseUrl,
  type AuthShown,
  type ConnectionAuthType,
  type ConnectionConfig,
  type ConnectionKind,
  type ProblemError,
} from "@tl-engine/contract";

/** How calls of a kind can say who we are. */
const authTypes: Record<ConnectionKind, readonly ConnectionAuthType[]> = {
  http: [
    "none",
    "api_key",
    "bearer",
    "basic",
    "oauth2_client_credentials",
    "oauth2_refresh_token",
    "hmac",
  ],
  grpc: ["none", "api_key", "bearer", "basic", "oauth2_client_credentials", "oauth2_refresh_token"],
  websocket: [
    "none",
    "api_key",
    "bearer",
    "basic",
    "oauth2_client_credentials",
    "oauth2_refresh_token",
  ],
  smtp: ["none", "basic"],
};

/** What does not fit together in a connection, each member by itself being right. */
export function judgeConnection(kind: ConnectionKind, config: ConnectionConfig): ProblemError[] {
  const { base_url, auth, tls, methods, paths, headers } = config;
  const errors: ProblemError[] = [];
  const refuse = (pointer: string, detail: string): void => void errors.push({ pointer, detail });

  const read = readBaseUrl(base_url, kind);
  if ("wrong" in read) refuse("/base_url", read.wrong);
  else if (!isSecureBaseUrl(base_url) && kind !== "smtp") {
    for (const member of ["ca", "certificate"] as const) {
      if (tls[member] !== null) {
        refuse(
          `/tls/${member}`,
          "has no effect, as base_url is not encrypted; use its other scheme",
        );
      }
    }
  }
  if (!authTypes[kind].includes(auth.type)) {
    refuse("/auth/type", `must be one that ${kind} has: ${authTypes[kind].join(", ")}`);
  }
  if (kind === "grpc" && auth.type === "api_key" && auth.in === "query") {
    refuse("/auth/in", "must be header: a grpc call has no query");
  }
  if (kind !== "http" && methods !== null) refuse("/methods", "belongs to kind http; leave it out");
  if (kind === "smtp") {
    if (paths !== null) refuse("/paths", "has no place in kind smtp; leave it out");
    if (Object.keys(headers).length > 0)
      refuse("/headers", "has no place in kind smtp; leave it out");
  }
  errors.push(...judgeAuthHeader(auth, headers));
  return errors;
}

/** A credential and a fixed header of one name would make two headers, or the wrong one. */
function judgeAuthHeader(
  auth: AuthShown,
  headers: Readonly<Record<string, string>>,
): ProblemError[] {
  const [member, name] =
    auth.type === "api_key" && auth.in === "header"
      ? ["name", auth.name]
      : auth.type === "hmac" && auth.header !== undefined
        ? ["header", auth.header]
        : ["", null];
  if (name === null) return [];
  const pointer = `/auth/${member}`;
  const wrong = judgeHeaderName(name);
  if (wrong !== null) return [{ pointer, detail: wrong }];
  if (Object.hasOwn(headers, name.toLowerCase())) {
    return [{ pointer, detail: "is among headers as well; take it out there" }];
  }
  return [];
}
