import { TerminalError } from "@tl-engine/engine-kit";
import type { Chat } from "./contract.ts";

/** What each channel takes, in characters. */
const limits: Readonly<Record<Chat["channel"], number>> = {
  slack: 40_000,
  discord: 2_000,
  // A card with all around it stays below Teams' 28 KiB.
  teams: 20_000,
};

/**
 * The body of an incoming webhook's request.
 * @throws TerminalError `input_invalid` for a text that the channel would cut or refuse
 */
export function chatPayload(
  channel: Chat["channel"],
  title: string | undefined,
  text: string,
): Record<string, unknown> {
  const length = text.length + (title?.length ?? 0);
  if (length > limits[channel]) {
    throw new TerminalError(
      `title and text have ${length} characters, and ${channel} takes ${limits[channel]}`,
      { code: "input_invalid", details: { pointer: "/text" } },
    );
  }
  switch (channel) {
    case "slack":
      return { text: title === undefined ? text : `*${title}*\n${text}` };
    case "discord":
      return {
        content: title === undefined ? text : `**${title}**\n${text}`,
        // Nobody is woken by a word in a text.
        allowed_mentions: { parse: [] },
      };
    case "teams":
      return {
        type: "message",
        attachments: [
          {
            contentType: "application/vnd.microsoft.card.adaptive",
            contentUrl: null,
            content: card(title, text),
          },
        ],
      };
  }
}

/** An adaptive card: https://adaptivecards.io/explorer/ */
function card(title: string | undefined, text: string): Record<string, unknown> {
  const heading =
    title === undefined
      ? []
      : [{ type: "TextBlock", text: title, weight: "Bolder", size: "Medium", wrap: true }];
  return {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [...heading, { type: "TextBlock", text, wrap: true }],
  };
}
