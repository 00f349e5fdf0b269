/** A value as it stands for itself, by where it is put. */
export const escapes = {
  /** https://api.slack.com/reference/surfaces/formatting#escaping; without `<` there is no mention and no link. */
  slack: (value: string) =>
    value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
  discord: escapeMarkdown,
  teams: escapeMarkdown,
  html: (value: string) =>
    value
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;"),
  /** A subject is one line. */
  line: (value: string) =>
    value
      .split(/[\r\n\u2028\u2029]+/)
      .map((part) => part.trim())
      .join(" "),
  text: (value: string) => value,
} as const;

function escapeMarkdown(value: string): string {
  return value.replaceAll(/[\\`*_~|[\]()<>#]/g, "\\$&");
}
