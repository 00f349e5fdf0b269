/**
 * Whether a path is one of those that a connection allows. A pattern's `*` stands for characters within one segment, its
 * `**` for any number of segments.
 *
 * Servers differ in what they take a path for: some decode `%2F` before they split, some merge slashes, some cut `;x` off
 * a segment. So a path has to match in both of its readings, the strict one and the most lenient one.
 *
 * @param path below the base URL, with its leading slash, as URL writes it; without dot segments
 */
export function matchesPath(path: string, patterns: readonly string[]): boolean {
  const decoded = lenientPath(path);
  if (decoded === null) return false;
  const strict = segmentsOf(path).map(decodeOnce);
  const lenient = segmentsOf(decoded).filter((segment) => segment !== "");
  return patterns.some((pattern) => {
    const wanted = segmentsOf(pattern);
    return (
      matchesAll(strict, wanted) &&
      matchesAll(
        lenient,
        wanted.filter((segment) => segment !== ""),
      )
    );
  });
}

/**
 * Whether a path could lead above where it begins on a server that decodes more than it should: `..` or `.` as a segment,
 * however often encoded, with `\` for `/`, or followed by `;x`. URL itself resolves the plain ones.
 */
export function hasHiddenDots(path: string): boolean {
  // Every way to hide one needs a percent sign, a semicolon or a backslash.
  if (!/[%;\\]/.test(path)) return false;
  const decoded = lenientPath(path);
  if (decoded === null) return true;
  return segmentsOf(decoded).some((segment) => segment === ".." || segment === ".");
}

/** More layers of encoding than this, one within the other, are an attack. */
const MAX_DECODINGS = 4;

/** The path as the most lenient server sees it; null for what is encoded over and over. */
function lenientPath(path: string): string | null {
  let decoded = path;
  for (let round = 0; ; round++) {
    const before = decoded;
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_match, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (decoded === before) break;
    if (round === MAX_DECODINGS) return null;
  }
  // A path as URL writes it is ASCII, so that what was decoded are the bytes of UTF-8.
  const text = Buffer.from(decoded, "latin1").toString();
  return text.replaceAll("\\", "/").replace(/;[^/]*/g, "");
}

function segmentsOf(path: string): string[] {
  return (path.startsWith("/") ? path.slice(1) : path).split("/");
}

function decodeOnce(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** `**` among segments; linear but for the last one of them, which moves on. */
function matchesAll(segments: readonly string[], wanted: readonly string[]): boolean {
  return wildcard(segments.length, wanted, "**", (at, pattern) =>
    matchesSegment(segments[at] ?? "", pattern),
  );
}

function matchesSegment(segment: string, pattern: string): boolean {
  if (pattern === "*") return segment !== "";
  if (!pattern.includes("*")) return segment === pattern;
  return wildcard(
    segment.length,
    pattern.split(""),
    "*",
    (at, character) => segment[at] === character,
  );
}

/** Matches `count` items against a pattern in which `any` stands for any number of them, without recursion. */
function wildcard(
  count: number,
  pattern: readonly string[],
  any: string,
  matches: (at: number, pattern: string) => boolean,
): boolean {
  let [at, next] = [0, 0];
  let [anyAt, resumeAt] = [-1, 0];
  while (at < count) {
    const wanted = pattern[next];
    if (wanted === any) {
      [anyAt, resumeAt] = [next, at];
      next++;
    } else if (wanted !== undefined && matches(at, wanted)) {
      at++;
      next++;
    } else if (anyAt >= 0) {
      resumeAt++;
      [at, next] = [resumeAt, anyAt + 1];
    } else return false;
  }
  return pattern.slice(next).every((rest) => rest === any);
}
