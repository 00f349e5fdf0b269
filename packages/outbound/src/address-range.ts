import { addressBytes } from "./address-bytes.ts";

/** A network in CIDR notation, as bytes. */
export interface AddressRange {
  /** 4 or 16. */
  readonly bytes: Uint8Array;
  /** Bits that count. */
  readonly prefix: number;
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/**
 * A network; one of IPv4-mapped addresses is that IPv4 network.
 *
 * @throws TypeError for what is no address
 */
export function addressRange(network: string, prefix: number): AddressRange {
  const bytes = addressBytes(network);
  if (!bytes) throw new TypeError(`${network} is no IP address`);
  if (prefix >= 96 && startsWith(bytes, MAPPED)) {
    return { bytes: bytes.subarray(12), prefix: prefix - 96 };
  }
  return { bytes, prefix };
}

/** Whether a network contains an address of the same family. Done for every call, so it makes nothing. */
export function contains(range: AddressRange, address: Uint8Array): boolean {
  const { bytes, prefix } = range;
  if (bytes.length !== address.length) return false;
  const whole = prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== address[i]) return false;
  const rest = prefix & 7;
  if (rest === 0) return true;
  return (((bytes[whole] ?? 0) ^ (address[whole] ?? 0)) & (0xff00 >> rest) & 0xff) === 0;
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** The IPv4 address within an IPv4-mapped one, which the system connects to as such; else the address itself. */
export function unmapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 && startsWith(bytes, MAPPED) ? bytes.subarray(12) : bytes;
}
