/** Stands for a path that nobody may see: the connection says that its paths are secrets, as those of chat webhooks. */
const HIDDEN_PATH = "/[hidden]";

/**
 * A path as logs and errors may show it: never its query, and nothing of it where it is a secret.
 *
 * @param most characters
 */
export function shownPath(url: URL, hidden: boolean, most: number): string {
  return hidden ? HIDDEN_PATH : url.pathname.slice(0, most);
}
