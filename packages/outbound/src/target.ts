import { isIP } from "node:net";

import { OutboundRefusedError } from "./errors.ts";

/** Where one call goes, read from its URL. */
export interface Target {
  readonly url: URL;
  readonly secure: boolean;
  /** As URL writes it, without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** The address, when the host is one. */
  readonly address: string | null;
}

/** Longest URL taken, in characters: more is a mistake, and servers refuse it. */
const MAX_URL_LENGTH = 8192;

// The URL parser drops tabs and line breaks in silence and trims what is around: whoever reads the
// text then sees another address than the one that is called.
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** What every address ends with, and few names: IPv6 is in hexadecimal, and may end in its colons. */
const ENDS_LIKE_ADDRESS = /[0-9a-f:]$/i;

/** The schemes of other protocols, as the HTTP ones whose addresses they have. */
const SCHEMES = {
  websocket: { "ws:": "http:", "wss:": "https:" },
  grpc: { "grpc:": "http:", "grpcs:": "https:" },
  smtp: { "smtp:": "http:", "smtps:": "https:" },
} as const;

/**
 * Reads a target of another protocol: `wss://host/path`, `grpcs://host:443`, `smtp://host:587`. Its `url` has the HTTP
 * scheme of the same security, so that everything else about an address is one.
 *
 * @throws OutboundRefusedError as {@link readTarget}, and for a scheme that is not the protocol's.
 */
export function readProtocolTarget(text: string, protocol: keyof typeof SCHEMES): Target {
  const schemes: Readonly<Record<string, string>> = SCHEMES[protocol];
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0].toLowerCase() ?? "";
  const http = schemes[scheme];
  if (http === undefined) {
    const names = Object.keys(schemes).map((name) => name.slice(0, -1));
    throw new OutboundRefusedError(
      `the scheme of a ${protocol} address is ${names.join(" or ")}, and nothing else`,
    );
  }
  return readTarget(http + text.slice(scheme.length));
}

/**
 * Reads a target. Says nothing about its address: that is judged when the connection is made.
 *
 * @param base what a relative address (a redirect's Location) is relative to.
 * @throws OutboundRefusedError for control characters, a scheme other than http and https, userinfo,
 *   and what is no URL at all.
 */
export function readTarget(text: string, base?: URL): Target {
  if (typeof text !== "string") throw new OutboundRefusedError("the URL is not a string");
  if (text.length > MAX_URL_LENGTH) {
    throw new OutboundRefusedError(`the URL is longer than ${MAX_URL_LENGTH} characters`);
  }
  if (CONTROL.test(text)) {
    throw new OutboundRefusedError("the URL contains a control character");
  }
  const url = URL.parse(text, base?.href);
  if (!url) throw new OutboundRefusedError("the URL cannot be read");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new OutboundRefusedError(
      `the scheme ${url.protocol} is not allowed, only http and https`,
    );
  }
  // Credentials in an address end in logs, and "http://example@127.0.0.1" is there to mislead.
  if (url.username !== "" || url.password !== "") {
    throw new OutboundRefusedError("the URL contains a user name or password");
  }
  // Also an empty one, which `hash` does not tell from none.
  if (text.includes("#")) url.hash = "";

  const secure = url.protocol === "https:";
  const hostname = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
  return {
    url,
    secure,
    hostname,
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    address: ENDS_LIKE_ADDRESS.test(hostname) && isIP(hostname) ? hostname : null,
  };
}
