import type { HttpRequest } from "./http.ts";
import type { Http } from "./retry.ts";

/** A list of the API: `{ "<member>": […], "next_cursor": … }`. */
export interface ListRequest {
  path: string;
  member: string;
  query?: NonNullable<HttpRequest["query"]>;
  signal?: AbortSignal | undefined;
}

/** A list's pages, each asked for when it is wanted. */
export async function* readPages<Item>(
  http: Http,
  { path, member, query = {}, signal }: ListRequest,
): AsyncGenerator<Item[], void, undefined> {
  let cursor: string | undefined;
  do {
    const { body } = await http.send({
      method: "GET",
      path,
      query: { ...query, cursor },
      signal,
    });
    const page = body as Record<string, unknown>;
    yield (page[member] ?? []) as Item[];
    cursor = (page["next_cursor"] as string | null | undefined) ?? undefined;
  } while (cursor !== undefined);
}

/** A whole list, for those that stay short. */
export async function readAll<Item>(http: Http, request: ListRequest): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of readPages<Item>(http, request)) items.push(...page);
  return items;
}
