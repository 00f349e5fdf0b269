import { isIPv6 } from "node:net";

/**
 * The bytes of an IP address in the notation that `node:net` takes: 4 for IPv4, 16 for IPv6, null for
 * all else, zone ids (`fe80::1%eth0`) among it.
 */
export function addressBytes(address: string): Uint8Array | null {
  const v4 = ipv4Bytes(address);
  if (v4 !== null) return v4;
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

/** Four decimal numbers up to 255 without leading zeros; read by hand, since it is done for every call. */
function ipv4Bytes(address: string): Uint8Array | null {
  if (address.length > 15) return null;
  const bytes = new Uint8Array(4);
  let [part, digits, value] = [0, 0, 0];
  for (let i = 0; i <= address.length; i++) {
    const digit = address.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return null;
      value = value * 10 + digit;
      if (++digits > 3) return null;
    } else {
      // A full stop after the first three numbers, and the end of the text after the fourth.
      const ends = i === address.length ? part === 3 : digit === -2 && part < 3;
      if (!ends || digits === 0 || value > 255) return null;
      bytes[part++] = value;
      [digits, value] = [0, 0];
    }
  }
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
