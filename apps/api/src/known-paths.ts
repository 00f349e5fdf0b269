import type { Endpoint } from "./endpoint.ts";

/** Finds endpoints by path and method. */
export interface KnownPaths {
  /**
   * @returns the endpoint; or the methods that the path has instead; or null where there is no such path.
   * A path that is written out wins over one with a placeholder, so `/engines/execute` is never an engine.
   */
  find(method: string, path: string): Endpoint | { allow: string } | null;
  /** The methods that a path has, null where there is no such path. */
  allow(path: string): string | null;
}

interface Pattern {
  segments: string[];
  /** How many segments are written out. */
  fixed: number;
  byMethod: Map<string, Endpoint>;
}

function matches(pattern: Pattern, segments: string[]): boolean {
  if (pattern.segments.length !== segments.length) return false;
  return pattern.segments.every((segment, index) =>
    segment.startsWith("{") ? segments[index] !== "" : segment === segments[index],
  );
}

function allowOf(pattern: Pattern): string {
  const methods = [...pattern.byMethod.keys()];
  if (methods.includes("GET")) methods.push("HEAD");
  methods.push("OPTIONS");
  return methods.sort().join(", ");
}

/** Reads the paths off the endpoints themselves, so that they cannot drift. */
export function knownPaths(endpoints: readonly Endpoint[]): KnownPaths {
  const byPath = new Map<string, Pattern>();
  for (const endpoint of endpoints) {
    const { path, method } = endpoint.route;
    const segments = path.split("/");
    const pattern = byPath.get(path) ?? {
      segments,
      fixed: segments.filter((segment) => !segment.startsWith("{")).length,
      byMethod: new Map<string, Endpoint>(),
    };
    pattern.byMethod.set(method.toUpperCase(), endpoint);
    byPath.set(path, pattern);
  }
  const patterns = [...byPath.values()].sort((a, b) => b.fixed - a.fixed);
  const patternOf = (path: string): Pattern | undefined => {
    const segments = path.split("/");
    return patterns.find((candidate) => matches(candidate, segments));
  };
  return {
    find(method, path) {
      const pattern = patternOf(path);
      if (pattern === undefined) return null;
      const endpoint = pattern.byMethod.get(method === "HEAD" ? "GET" : method);
      return endpoint ?? { allow: allowOf(pattern) };
    },
    allow(path) {
      const pattern = patternOf(path);
      return pattern === undefined ? null : allowOf(pattern);
    },
  };
}
