/** What credentials look like, wherever a text quotes one: a net under the allow-list, not a reason to log. */
const credentials: readonly [RegExp, string][] = [
  [/tlk_[0-9A-Za-z]{12}_[0-9A-Za-z]{20,64}/g, "[key]"],
  [/tlp_[0-9A-Za-z_-]{20,128}/g, "[key]"],
  [/eyJ[0-9A-Za-z_-]{5,8000}\.[0-9A-Za-z_-]{2,8000}\.[0-9A-Za-z_-]{0,8000}/g, "[token]"],
  [/\b(bearer|basic) [0-9A-Za-z._~+/=-]{8,8000}/gi, "$1 [credential]"],
  [/:\/\/[^\s/@]{1,400}@/g, "://[user]@"],
];

/** A text without what looks like a credential, cut after `maxLength` characters. */
export function scrubText(text: string, maxLength = 2000): string {
  let scrubbed = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  for (const [pattern, name] of credentials) scrubbed = scrubbed.replaceAll(pattern, name);
  return scrubbed;
}
