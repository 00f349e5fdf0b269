import { judgeAddress, type Judgement } from "./address-judge.ts";
import { type AllowRules } from "./allow-list.ts";
import { ConnectionFailedError, OutboundRefusedError } from "./errors.ts";
import { type Resolver } from "./ports.ts";
import { type Target } from "./target.ts";

/** Decides which addresses a connection to a target may be made to. */
export interface ConnectGuard {
  /**
   * What can be said without a look-up: ports, names and addresses written as such. Done for every
   * call, also when a kept connection would serve it.
   *
   * @throws OutboundRefusedError
   */
  check(target: Target): void;
  /**
   * The addresses to connect to, each of them judged. One that is not allowed refuses all: a name with
   * a good and a bad address is an attack or a mistake. Whoever connects must use these very addresses
   * and ask nobody again, or a name could change in between (DNS rebinding).
   *
   * @throws OutboundRefusedError, or ConnectionFailedError when the name has no address.
   */
  addressesFor(target: Target, signal: AbortSignal): Promise<readonly string[]>;
}

export interface ConnectGuardOptions {
  readonly rules: AllowRules;
  readonly resolver: Resolver;
  /** Time for a look-up, in milliseconds. */
  readonly dnsTimeoutMs: number;
}

/** Ports of services that understand enough of HTTP to be harmed by it. */
const REFUSED_PORTS: ReadonlySet<number> = new Set([22, 25, 5432, 6379]);

/** Names under which clouds hand out credentials: refused also where they do not resolve. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "metadata.google.internal",
  "metadata.goog",
  "metadata",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** What an entry by name may open; the rest (metadata, multicast, …) needs an entry by address. */
const OPEN_BY_NAME: ReadonlySet<string> = new Set(["loopback", "private", "shared (CGNAT)"]);

export function createConnectGuard(options: ConnectGuardOptions): ConnectGuard {
  const { rules, resolver, dnsTimeoutMs } = options;

  /** Null when allowed, else the reason. */
  const refusal = (target: Target, judgement: Judgement): string | null => {
    const { hostname, port } = target;
    const { address } = judgement;
    if (REFUSED_PORTS.has(port) && !rules.namesPort(hostname, address, port)) {
      return `port ${port} is not allowed`;
    }
    if (judgement.public) return null;
    if (judgement.kind === "not an address") return judgement.why;
    if (rules.coversAddress(address, port)) return null;
    if (OPEN_BY_NAME.has(judgement.kind) && rules.namesHost(hostname, port)) return null;
    return target.address === null
      ? `the name stands for ${judgement.why}`
      : `it is ${judgement.why}`;
  };

  const judged = (target: Target, address: string): string => {
    const judgement = judgeAddress(address);
    const reason = refusal(target, judgement);
    if (reason !== null) throw refusedTarget(target, reason);
    return judgement.address;
  };

  const check = (target: Target): void => {
    if (target.hostname === "") throw refusedTarget(target, "it has no host");
    if (target.address !== null) {
      judged(target, target.address);
      return;
    }
    if (REFUSED_PORTS.has(target.port) && !rules.mentionsPort(target.port)) {
      throw refusedTarget(target, `port ${target.port} is not allowed`);
    }
    const name = bareName(target.hostname);
    if (METADATA_NAMES.has(name) && !rules.namesHost(name, target.port)) {
      throw refusedTarget(target, "the name stands for a metadata address");
    }
    if (isLocalhost(name)) localhostAddresses(target);
  };

  /**
   * RFC 6761: these names are loopback, always, so no resolver is asked. They stand for both addresses;
   * those that are allowed remain, since an entry 127.0.0.1 means localhost too.
   */
  const localhostAddresses = (target: Target): readonly string[] => {
    const judgements = ["127.0.0.1", "::1"].map(judgeAddress);
    const allowed = judgements.filter((judgement) => refusal(target, judgement) === null);
    const [first] = judgements;
    if (allowed.length === 0 && first) {
      throw refusedTarget(target, refusal(target, first) ?? "it is a loopback address");
    }
    return allowed.map(({ address }) => address);
  };

  return {
    check,
    async addressesFor(target, signal) {
      check(target);
      if (target.address !== null) return [judged(target, target.address)];
      if (isLocalhost(bareName(target.hostname))) return localhostAddresses(target);
      const addresses = await resolveWithin(resolver, target, dnsTimeoutMs, signal);
      return [...new Set(addresses.map((address) => judged(target, address)))];
    },
  };
}

async function resolveWithin(
  resolver: Resolver,
  target: Target,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const failed = (why: string, cause?: unknown) =>
    new ConnectionFailedError(`${target.hostname}: ${why}`, { retryable: true, cause });
  signal.throwIfAborted();

  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    reject(failed(`the name was not resolved within ${timeoutMs} ms`));
  }, timeoutMs);
  resolver.resolve(target.hostname).then(resolve, (error: unknown) => {
    reject(failed("the name cannot be resolved", error));
  });
  try {
    const addresses = await promise;
    if (addresses.length === 0) throw failed("the name has no address");
    return addresses;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function refusedTarget(target: Target, reason: string): OutboundRefusedError {
  return new OutboundRefusedError(
    `calls to ${target.url.host || "this target"} are refused: ${reason}`,
  );
}

function bareName(hostname: string): string {
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}

function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}
