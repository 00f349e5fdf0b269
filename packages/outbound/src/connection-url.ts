import { OutboundRefusedError } from "./errors.ts";
import { hasHiddenDots, matchesPath } from "./path-patterns.ts";
import { type Connection } from "./ports.ts";
import { shownPath } from "./shown-path.ts";
import { readTarget, type Target } from "./target.ts";

/** Where a connection's calls go: its base URL, read once, and what of it may be called. */
export interface ConnectionUrls {
  readonly origin: string;
  /**
   * The target of a call. A path is joined to the base URL, with or without a leading slash; an absolute address has to
   * be below the base URL itself.
   *
   * @throws OutboundRefusedError as `readTarget`, for what is not below the base URL, and for a path that the connection
   *   does not allow
   */
  target(url: string): Target;
  /**
   * Holds a target on the connection's own origin to its allowed paths: redirects too, which would else take its
   * credentials anywhere.
   *
   * @throws OutboundRefusedError
   */
  allowPath(target: Target): void;
  /** @throws OutboundRefusedError for a method that the connection does not allow */
  allowMethod(method: string): void;
  /** Path and query of a target, as the connection takes them again. */
  relative(target: Target): string;
}

/** `https:`, `//host` and `\\host`: an address of its own rather than a path. */
const ABSOLUTE = /^(?:[a-z][a-z0-9+.-]*:|[/\\]{2})/i;

/** @throws OutboundRefusedError for a base URL that is none */
export function connectionUrls(connection: Connection): ConnectionUrls {
  const { url: base } = readTarget(connection.baseUrl);
  const { origin } = base;
  const root = withoutSlashes(base.pathname);
  const refused = (why: string) =>
    new OutboundRefusedError(`the connection ${connection.id} ${why}`);

  const allowPath = (target: Target) => {
    const { pathname } = target.url;
    if (hasHiddenDots(pathname)) throw refused("takes no path with encoded dot segments");
    if (connection.paths === null) return;
    const path = below(root, target);
    if (path === null || !matchesPath(path, connection.paths)) {
      throw refused(
        `does not allow the path ${shownPath(target.url, connection.log.hidePaths === true, 256)}`,
      );
    }
  };

  return {
    origin,
    target(url) {
      const absolute = typeof url !== "string" || ABSOLUTE.test(url);
      // No path at all is the base URL as it was written: a webhook endpoint's has its slash and its query.
      const path = url === "" ? base.pathname + base.search : joined(root, url);
      const target = readTarget(absolute ? url : origin + path, base);
      if (target.url.origin !== origin || below(root, target) === null) {
        throw refused("takes no address that is not below its base URL: give a path");
      }
      allowPath(target);
      return target;
    },
    allowPath,
    allowMethod(method) {
      if (connection.methods !== null && !connection.methods.includes(method)) {
        throw refused(`does not allow the method ${method}`);
      }
    },
    relative: (target) => (below(root, target) ?? target.url.pathname) + target.url.search,
  };
}

function joined(root: string, path: string): string {
  if (path.startsWith("?") || path.startsWith("#")) return (root || "/") + path;
  return `${root}/${/^[/\\]/.test(path) ? path.slice(1) : path}`;
}

/** The path below the base URL's, with its leading slash; null where it is not below. */
function below(root: string, { url }: Target): string | null {
  const { pathname } = url;
  if (pathname === root) return "/";
  return pathname.startsWith(`${root}/`) ? pathname.slice(root.length) : null;
}

/** A path without slashes at its end. */
function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end -= 1;
  return path.slice(0, end);
}
