/** An address under `/api/v1`; each part is data and is encoded, but the `@` of `resize@2` stays readable. */
export function pathOf(...parts: readonly string[]): string {
  return `/api/v1/${parts.map((part) => encodeURIComponent(part).replaceAll("%40", "@")).join("/")}`;
}
