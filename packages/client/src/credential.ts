/** What says who calls: an API key, or a token of a front end. */
export interface Credential {
  /** A program's key `tlk_…`, or tl-plane's. */
  apiKey?: string | undefined;
  /** A JWT, or a function that gives the current one; it is asked before each try. */
  token?: string | (() => string | Promise<string>) | undefined;
}

/** Makes the headers for one request. */
export type CredentialHeaders = () => Promise<Record<string, string>>;

/** @throws TypeError unless there is exactly one of `apiKey` and `token`: the API refuses two */
export function credentialHeaders({ apiKey, token }: Credential): CredentialHeaders {
  if ((apiKey === undefined) === (token === undefined)) {
    throw new TypeError("createClient: give either apiKey or token");
  }
  if (apiKey !== undefined) {
    if (apiKey === "") throw new TypeError("createClient: apiKey is empty");
    return async () => ({ "x-api-key": apiKey });
  }
  return async () => {
    const value = typeof token === "function" ? await token() : token;
    if (!value) throw new TypeError("createClient: token gave nothing");
    return { authorization: `Bearer ${value}` };
  };
}
