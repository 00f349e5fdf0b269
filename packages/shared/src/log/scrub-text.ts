/** What credentials look like, wherever a text quotes one: a net under the allow-list, not a reason to log. */
const credentials: readonly [RegExp, string][] = [
  [/tlk_[0-9A-Za-z]{12}_[0-9A-Za-z]{20,64}/g, "[key]"],
  [/tlp_[0-9A-Za-z_-]{20,128}/g, "[key]"],
  [/\b(bearer|basic) [0-9A-Za-z._~+/=-]{8,8000}/gi, "$1 [credential]"],
  [/:\/\/[^\s/@]{1,400}@/g, "://[user]@"],
];

/** A whole run of what tokens are made of: a pattern that began within one would look at its rest again and again. */
const tokenRun = /(?<![0-9A-Za-z_.-])[0-9A-Za-z_.-]+/g;
/** How each JSON object begins in base64url, and so the header of each token. */
const tokenStart = "eyJ";

/** A run up to where a token begins in it: three parts or more (JWS, JWE). */
function withoutToken(run: string): string {
  const at = run.indexOf(tokenStart);
  if (at === -1 || run.slice(at).split(".").length < 3) return run;
  return `${run.slice(0, at)}[token]`;
}

/** A text without what looks like a credential, cut after `maxLength` characters. */
export function scrubText(text: string, maxLength = 2000): string {
  let scrubbed = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  for (const [pattern, name] of credentials) scrubbed = scrubbed.replaceAll(pattern, name);
  if (scrubbed.includes(tokenStart)) scrubbed = scrubbed.replaceAll(tokenRun, withoutToken);
  return scrubbed;
}
