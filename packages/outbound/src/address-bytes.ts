import { isIPv4, isIPv6 } from "node:net";

/**
 * The bytes of an IP address in the notation that `node:net` takes: 4 for IPv4, 16 for IPv6, null for
 * all else, zone ids (`fe80::1%eth0`) among it.
 */
export function addressBytes(address: string): Uint8Array | null {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address) || address.includes("%")) return null;

  const [head = "", tail] = address.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  const bytes = new Uint8Array(16);
  [...front, ...zeros, ...back].forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

/** Four bytes in dotted notation. */
export function ipv4Text(bytes: Uint8Array): string {
  return bytes.join(".");
}

/** 16-bit groups of a part of an IPv6 address; the last one may be dotted IPv4. */
function groups(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
