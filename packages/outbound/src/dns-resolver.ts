import { lookup } from "node:dns/promises";

import { type Resolver } from "./ports.ts";

/**
 * The system's resolver (`/etc/hosts`, search domains and all), with all addresses of a name.
 *
 * Look-ups block one of the few threads that Node shares for them, so those for one name at one time
 * share one look-up. Nothing is kept after it has ended: a name is looked up for each new connection.
 */
export function createSystemResolver(): Resolver {
  const underWay = new Map<string, Promise<readonly string[]>>();
  return {
    resolve(hostname) {
      const shared = underWay.get(hostname);
      if (shared) return shared;
      const asked = lookup(hostname, { all: true, order: "verbatim" })
        .then((answers) => answers.map(({ address }) => address))
        .finally(() => underWay.delete(hostname));
      underWay.set(hostname, asked);
      return asked;
    },
  };
}
