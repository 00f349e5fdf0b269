import { convert, type HtmlToTextOptions } from "html-to-text";

const options: HtmlToTextOptions = {
  // A mail program breaks lines by itself.
  wordwrap: false,
  selectors: [
    { selector: "a", options: { linkBrackets: ["(", ")"], hideLinkHrefIfSameAsText: true } },
    { selector: "img", format: "skip" },
    { selector: "head", format: "skip" },
    ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({
      selector,
      options: { uppercase: false },
    })),
    { selector: "ul", options: { itemPrefix: "- " } },
  ],
  limits: { maxDepth: 100, maxInputLength: 200_000 },
};

/** What of HTML a program that shows none can show: lines, list items and the addresses of links. */
export function plainText(html: string): string {
  return convert(html, options);
}
