import { bytesOf, type WireRequest } from "./wire-request.ts";

/** Names for texts that must not be printed: `$PLANE` for tl-plane's key. */
export type Masks = ReadonlyMap<string, string>;

/** Longest request that is printed whole, in bytes. */
const maxShown = 20_000;

/**
 * A command for the shell that sends the request again. Credentials are shell variables: they were made for the run.
 *
 * @param url where it was sent
 */
export function showRequest(request: WireRequest, url: string, masks: Masks): string {
  return curlOf(request, url, masks) ?? showBytes(bytesOf(request, new URL(url).host), url, masks);
}

/** The same for bytes that no HTTP client would send. */
export function showBytes(bytes: Buffer, url: string, masks: Masks): string {
  const { hostname, port } = new URL(url);
  const cut = bytes.length > maxShown ? `  # the first ${maxShown} of ${bytes.length} bytes` : "";
  const text = mask(escape(bytes.subarray(0, maxShown).toString("latin1")), masks);
  return `printf '%b' "${text}" | nc ${hostname} ${port}${cut}`;
}

const plainText = /^[\u0020-\u007e]*$/;

function curlOf(request: WireRequest, url: string, masks: Masks): string | null {
  const { method, target, headers, body, chunked } = request;
  const isPlain =
    /^[A-Z-]+$/.test(method) &&
    /^\/[\u0021-\u007e]*$/.test(target) &&
    headers.every(
      ([name, value]) => /^[\w-]+$/.test(name) && /^\S([\u0020-\u007e]*\S)?$/.test(value),
    );
  const text = body?.toString("latin1") ?? "";
  if (!isPlain || !plainText.test(text) || text.length > maxShown) return null;
  const given = headers.map(([name, value]) => `-H ${quote(`${name}: ${value}`, masks)}`);
  return [
    "curl -sS -i --path-as-is",
    method === "HEAD" ? "-I" : `-X ${method}`,
    // What curl adds of its own is taken away.
    ...["Accept", "User-Agent", "Content-Type"].flatMap((name) =>
      headers.some(([own]) => own.toLowerCase() === name.toLowerCase()) ? [] : [`-H '${name}:'`],
    ),
    ...given,
    ...(chunked ? ["-H 'Transfer-Encoding: chunked'"] : []),
    ...(body === null ? [] : [`--data-binary ${quote(text, masks)}`]),
    quote(`${url}${target}`, masks),
  ].join(" ");
}

function mask(text: string, masks: Masks): string {
  let masked = text;
  for (const [secret, name] of masks) masked = masked.replaceAll(secret, () => name);
  return masked;
}

/** Single quotes, around variables double ones. */
function quote(text: string, masks: Masks): string {
  if (mask(text, masks) === text) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  return `"${mask(text.replaceAll(/["\\`$]/g, String.raw`\$&`), masks)}"`;
}

/** For `printf %b` in double quotes. */
function escape(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]|["\\`$]/g, (character) => {
    const code = character.charCodeAt(0);
    if (character === "\r") return String.raw`\\r`;
    if (character === "\n") return String.raw`\\n`;
    return String.raw`\\0${code.toString(8).padStart(3, "0")}`;
  });
}
