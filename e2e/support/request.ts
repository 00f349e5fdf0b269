/** An HTTP answer, read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body; null where it is no JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what tests look at is whatever the API said
  json: any;
}

export interface RequestOptions {
  /** Default GET; POST with `json`. */
  method?: string;
  headers?: Record<string, string>;
  json?: unknown;
  signal?: AbortSignal;
}

/** One request as it goes over the wire: nothing is retried, no status is an error. */
export async function request(
  url: string,
  { method, headers = {}, json, signal }: RequestOptions = {},
): Promise<Answer> {
  const hasBody = json !== undefined;
  const response = await fetch(url, {
    method: method ?? (hasBody ? "POST" : "GET"),
    headers: { ...(hasBody && { "content-type": "application/json" }), ...headers },
    ...(hasBody && { body: JSON.stringify(json) }),
    ...(signal && { signal }),
    redirect: "manual",
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
