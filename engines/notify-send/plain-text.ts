const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

/** What of HTML a program that shows none can show: lines, list items and the addresses of links. */
export function plainText(html: string): string {
  return html
    .replaceAll(/<!--[^]*?-->|<(script|style|head|title)\b[^]*?<\/\1\s*>/gi, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/<a\b[^>]*?\bhref\s*=\s*["']([^"']*)["'][^>]*>(.*?)<\/a\s*>/gi, (_, href, label) =>
      withAddress(String(label), String(href)),
    )
    .replaceAll(/<li\b[^>]*>/gi, "\n- ")
    .replaceAll(/<br\b[^>]*>|<\/(div|tr|li|ul|ol)\s*>/gi, "\n")
    .replaceAll(/<\/(p|h[1-6]|table|blockquote)\s*>/gi, "\n\n")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll(
      /&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]+);/gi,
      (all, name: string) => decoded(name) ?? all,
    )
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}

function withAddress(label: string, href: string): string {
  return label === href || href === "" ? label : `${label} (${href})`;
}

function decoded(name: string): string | undefined {
  if (!name.startsWith("#")) return entities[name.toLowerCase()];
  const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
