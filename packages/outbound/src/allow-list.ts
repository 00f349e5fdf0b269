import { isIP } from "node:net";

import { addressBytes } from "./address-bytes.ts";
import { addressRange, contains, unmapped, type AddressRange } from "./address-range.ts";

/** What an operator opened for one kind of target. */
export interface AllowRules {
  /** Whether an entry names this host, for this port or for all. */
  namesHost(hostname: string, port: number): boolean;
  /** Whether an entry covers this address, for this port or for all. */
  coversAddress(address: string, port: number): boolean;
  /** Whether an entry that covers this host or address says this very port. */
  namesPort(hostname: string, address: string, port: number): boolean;
  /** Whether any entry says this port: false means that a port refused by rule stays refused. */
  mentionsPort(port: number): boolean;
}

/** `TL_OUTBOUND_ALLOW`, parsed. What is open for one kind is closed for the other. */
export interface AllowList {
  /** Targets of engines and connections. */
  readonly engines: AllowRules;
  /** Addresses given by callers for callbacks: entries prefixed `callback:`. */
  readonly callbacks: AllowRules;
}

/** An entry of the allow list that can't be read; the message names it and says what to write. */
export class AllowListError extends Error {
  override name = "AllowListError";

  constructor(entry: string, problem: string) {
    super(
      `TL_OUTBOUND_ALLOW: "${entry}" ${problem}. ` +
        `Write host[:port] or cidr[:port], separated by commas; IPv6 with a port in brackets: [fd00::/8]:443.`,
    );
  }
}

interface Entry {
  readonly host: string | null;
  readonly network: AddressRange | null;
  readonly port: number | null;
}

const CALLBACK = "callback:";

/**
 * Reads `TL_OUTBOUND_ALLOW`: entries `host[:port]`, `address[:port]` or `cidr[:port]`, separated by
 * commas or spaces, with the prefix `callback:` for addresses given by callers.
 *
 * @throws AllowListError for the first entry that can't be read.
 */
export function parseAllowList(text: string): AllowList {
  const engines: Entry[] = [];
  const callbacks: Entry[] = [];
  for (const item of text.split(/[\s,]+/).filter(Boolean)) {
    if (item.startsWith(CALLBACK)) callbacks.push(parseEntry(item, item.slice(CALLBACK.length)));
    else engines.push(parseEntry(item, item));
  }
  return { engines: rulesOf(engines), callbacks: rulesOf(callbacks) };
}

function rulesOf(entries: readonly Entry[]): AllowRules {
  const forPort = (entry: Entry, port: number) => entry.port === null || entry.port === port;
  const isHost = (entry: Entry, hostname: string) =>
    entry.host !== null && entry.host === withoutDot(hostname);
  const covers = (entry: Entry, bytes: Uint8Array | null) =>
    entry.network !== null && bytes !== null && contains(entry.network, bytes);
  const bytesOf = (address: string) => {
    const bytes = addressBytes(address);
    return bytes && unmapped(bytes);
  };
  return {
    namesHost: (hostname, port) => entries.some((e) => forPort(e, port) && isHost(e, hostname)),
    coversAddress(address, port) {
      const bytes = bytesOf(address);
      return entries.some((e) => forPort(e, port) && covers(e, bytes));
    },
    namesPort(hostname, address, port) {
      const bytes = bytesOf(address);
      return entries.some((e) => e.port === port && (isHost(e, hostname) || covers(e, bytes)));
    },
    mentionsPort: (port) => entries.some((e) => e.port === port),
  };
}

function parseEntry(entry: string, text: string): Entry {
  if (text.includes("://")) throw new AllowListError(entry, "is a URL: leave the scheme out");
  const { name, port } = splitPort(entry, text);
  const [address = "", length, ...rest] = name.split("/");
  if (rest.length > 0) throw new AllowListError(entry, "has more than one slash");

  const bytes = addressBytes(address);
  if (bytes) return { host: null, network: networkOf(entry, address, bytes, length), port };
  if (length !== undefined) {
    throw new AllowListError(entry, "has a prefix length, but no IP address before it");
  }
  return { host: hostOf(entry, address), network: null, port };
}

function splitPort(entry: string, text: string): { name: string; port: number | null } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) {
    const name = bracketed[1] ?? "";
    if (!name.includes(":")) throw new AllowListError(entry, "has no IPv6 address in its brackets");
    return { name, port: portOf(entry, bracketed[2]) };
  }
  // Two colons or more without brackets: an IPv6 address or network, which then has no port.
  const [name = "", port, ...more] = text.split(":");
  if (more.length > 0) return { name: text, port: null };
  return { name, port: portOf(entry, port) };
}

function portOf(entry: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new AllowListError(entry, "has no port between 1 and 65535");
  return port;
}

function networkOf(
  entry: string,
  address: string,
  bytes: Uint8Array,
  length: string | undefined,
): AddressRange {
  const bits = bytes.length * 8;
  const prefix = length === undefined ? bits : /^[0-9]{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > bits) {
    throw new AllowListError(entry, `needs a prefix length between 0 and ${bits}`);
  }
  // 10.1.2.3/8 may mean one address or a network: a list that opens doors must not guess.
  if (bitsAfter(bytes, prefix)) {
    throw new AllowListError(entry, `has bits set beyond its prefix length of ${prefix}`);
  }
  return addressRange(address, prefix);
}

function bitsAfter(bytes: Uint8Array, prefix: number): boolean {
  return bytes.some((byte, i) => {
    const kept = Math.min(8, Math.max(0, prefix - i * 8));
    return (byte & (0xff >> kept)) !== 0;
  });
}

/** The host as URL writes it, so that it equals what a target's URL says. */
function hostOf(entry: string, text: string): string {
  const url = /^[^\s/?#@\\:[\]%*]+$/.test(text) ? URL.parse(`http://${text}/`) : null;
  if (!url) throw new AllowListError(entry, "is no host name, IP address or network");
  if (isIP(url.hostname)) {
    throw new AllowListError(entry, `is another spelling of ${url.hostname}: write that`);
  }
  return withoutDot(url.hostname);
}

function withoutDot(hostname: string): string {
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}
