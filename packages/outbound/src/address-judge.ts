import { addressBytes, ipv4Text } from "./address-bytes.ts";
import {
  addressRange,
  contains,
  startsWith,
  unmapped,
  type AddressRange,
} from "./address-range.ts";
import {
  IPV4_SPECIAL,
  IPV6_SPECIAL,
  type AddressKind,
  type SpecialRange,
} from "./special-purpose-ranges.ts";

/** The judge's word on one address. */
export type Judgement =
  | { readonly public: true; readonly address: string }
  | {
      readonly public: false;
      readonly address: string;
      /** `not an address` is never allowed, whatever the allow list says. */
      readonly kind: AddressKind | "not an address";
      readonly why: string;
    };

interface NamedRange extends AddressRange {
  readonly kind: AddressKind;
}

const v4Ranges = IPV4_SPECIAL.map(named);
const v6Ranges = IPV6_SPECIAL.map(named);
const globalUnicast = addressRange("2000::", 3);

/**
 * Says whether an address is ordinary public unicast, deciding on its bytes. Libraries that decide on
 * text were bypassed again and again (leading zeros, mapped forms), so text never counts here.
 *
 * An IPv4-mapped address is that IPv4 address, since the system connects to it as such, and is given
 * back as IPv4. NAT64 (64:ff9b::/96) is judged by the IPv4 address within, so that networks with DNS64
 * work. IPv4-compatible, 6to4 and Teredo addresses are refused whatever is within: they are retired,
 * and a relay on the way could take them to a private network.
 */
export function judgeAddress(address: string): Judgement {
  const bytes = addressBytes(address);
  if (!bytes) {
    return { public: false, address, kind: "not an address", why: "not an IP address" };
  }
  if (bytes.length === 4) return judgeV4(address, bytes);
  const within = unmapped(bytes);
  if (within !== bytes) return judgeV4(ipv4Text(within), within);
  if (startsWith(bytes, NAT64)) {
    const translated = judgeV4(address, bytes.subarray(12));
    return translated.public
      ? translated
      : { ...translated, address, why: `NAT64 of ${translated.why}` };
  }
  const range = v6Ranges.find((each) => contains(each, bytes));
  if (range === undefined && contains(globalUnicast, bytes)) return { public: true, address };
  return refused(address, range?.kind ?? "reserved", retiredForm(bytes));
}

const NAT64 = Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0);
const COMPATIBLE = new Uint8Array(12);
const SIX_TO_FOUR = Uint8Array.of(0x20, 0x02);
const TEREDO = Uint8Array.of(0x20, 0x01, 0, 0);

function judgeV4(address: string, bytes: Uint8Array): Judgement {
  for (const range of v4Ranges) {
    if (contains(range, bytes)) return refused(address, range.kind, null);
  }
  return { public: true, address };
}

/** Names the transition form of an address that is refused anyway, with what is within. */
function retiredForm(bytes: Uint8Array): string | null {
  if (startsWith(bytes, SIX_TO_FOUR)) return `6to4 of ${whyV4(bytes.subarray(2, 6))}`;
  if (startsWith(bytes, TEREDO)) {
    // RFC 4380: the client's IPv4 address is the last four bytes, each bit inverted.
    return `Teredo of ${whyV4(bytes.subarray(12).map((byte) => ~byte))}`;
  }
  const compatible = startsWith(bytes, COMPATIBLE) && bytes.subarray(12, 15).some(Boolean);
  return compatible ? `IPv4-compatible form of ${whyV4(bytes.subarray(12))}` : null;
}

function whyV4(bytes: Uint8Array): string {
  const judgement = judgeV4(ipv4Text(bytes), bytes);
  return judgement.public ? "a public address" : judgement.why;
}

function refused(address: string, kind: AddressKind, form: string | null): Judgement {
  const article = kind === "unspecified" ? "an" : "a";
  return { public: false, address, kind, why: form ?? `${article} ${kind} address` };
}

function named([network, prefix, kind]: SpecialRange): NamedRange {
  return { ...addressRange(network, prefix), kind };
}
