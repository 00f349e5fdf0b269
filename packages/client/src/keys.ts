import { readAll } from "./pages.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type { ChangeKey, CreateKey, Key, KeyWithSecret } from "./wire.ts";

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Programs' keys. Only tl-plane may use these; anybody else gets a ProblemError `forbidden`. */
export interface KeysClient {
  /** `key` in the answer is shown this once. Not repeated after a broken connection: there could be two. */
  create(key: CreateKey, options?: CallOptions): Promise<KeyWithSecret>;
  list(options?: CallOptions): Promise<Key[]>;
  get(id: string, options?: CallOptions): Promise<Key>;
  change(id: string, changes: ChangeKey, options?: CallOptions): Promise<Key>;
  /** For good. */
  revoke(id: string, options?: CallOptions): Promise<void>;
  /** A second secret for the same key; the old one ends after `overlap` (`1h`; default at once, at most 7 days). */
  reroll(id: string, options?: CallOptions & { overlap?: string }): Promise<KeyWithSecret>;
}

export function createKeysClient(http: Http): KeysClient {
  return {
    async create(key, { signal } = {}) {
      const request = { method: "POST", path: pathOf("keys"), json: key, signal } as const;
      return (await http.send(request, { repeat: "once" })).body as KeyWithSecret;
    },
    list: ({ signal } = {}) =>
      readAll<Key>(http, {
        path: pathOf("keys"),
        member: "keys",
        query: { limit: 100 },
        signal,
      }),
    async get(id, { signal } = {}) {
      return (await http.send({ method: "GET", path: pathOf("keys", id), signal })).body as Key;
    },
    async change(id, changes, { signal } = {}) {
      const request = { method: "PATCH", path: pathOf("keys", id), json: changes, signal } as const;
      return (await http.send(request)).body as Key;
    },
    async revoke(id, { signal } = {}) {
      await http.send({ method: "DELETE", path: pathOf("keys", id), signal });
    },
    async reroll(id, { overlap, signal } = {}) {
      const request = {
        method: "POST",
        path: pathOf("keys", id, "reroll"),
        json: overlap === undefined ? {} : { overlap },
        signal,
      } as const;
      return (await http.send(request, { repeat: "once" })).body as KeyWithSecret;
    },
  };
}
