/** The weight of a media range in an Accept header, RFC 9110, 12.5.1. */
function weightOf(parameters: readonly string[]): number {
  const q = parameters.map(
    (parameter) => /^q=([01](?:\.[0-9]{0,3})?)$/i.exec(parameter.trim())?.[1],
  );
  return Number(q.find((value) => value !== undefined) ?? 1);
}

/** Whether an Accept header wants `text/plain` (or OpenMetrics, as scrapers ask) more than JSON. */
export function prefersText(accept: string | undefined): boolean {
  if (accept === undefined || accept.length > 2_000) return false;
  let text = 0;
  let json = 0;
  for (const range of accept.split(",")) {
    const [media = "", ...parameters] = range.split(";");
    const weight = weightOf(parameters);
    const name = media.trim().toLowerCase();
    if (["text/plain", "text/*", "application/openmetrics-text"].includes(name)) {
      text = Math.max(text, weight);
    } else if (["application/json", "application/*", "application/problem+json"].includes(name)) {
      json = Math.max(json, weight);
    }
  }
  return text > json;
}
