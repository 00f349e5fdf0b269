import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** The parts of a stream that `tl` writes to. */
export interface OutputStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Where `tl` speaks: results on stdout, everything else on stderr. */
export interface Terminal {
  /** A result, with a line feed added. */
  write(text: string): void;
  /** A remark or an error, with a line feed added. */
  note(text: string): void;
  /** Colours text for stdout, where that is a terminal and colours are wanted. */
  paint(style: Style, text: string): string;
  /** The same for stderr. */
  paintNote(style: Style, text: string): string;
  /** Whether someone watches stderr. */
  readonly watched: boolean;
  /** Shows one line on a watched stderr in place of the last one; null takes it away. */
  progress(line: string | null): void;
}

export function createTerminal(
  stdout: OutputStream,
  stderr: OutputStream,
  colors: boolean,
): Terminal {
  const watched = stderr.isTTY === true;
  let line: string | null = null;
  const progress = (text: string | null): void => {
    if (!watched || (text === null && line === null)) return;
    line = text === null ? null : text.slice(0, Math.max(10, (stderr.columns || 80) - 1));
    stderr.write(`\r\u001b[2K${line ?? ""}`);
  };
  const speak = (stream: OutputStream, text: string): void => {
    progress(null);
    stream.write(`${text}\n`);
  };
  return {
    write: (text) => speak(stdout, text),
    note: (text) => speak(stderr, text),
    paint: painter(stdout, colors),
    paintNote: painter(stderr, colors),
    watched,
    progress,
  };
}

function painter(stream: OutputStream, colors: boolean): Terminal["paint"] {
  if (!colors || stream.isTTY !== true) return (_, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Text of others, harmless on a terminal: escape sequences in it would move the cursor or fake a line. */
export function printable(text: string): string {
  return text.replaceAll(control, "\ufffd");
}

/** JSON of others, indented, harmless on a terminal. */
export function printableJson(value: unknown): string {
  return printable(JSON.stringify(value, null, 2) ?? "null");
}
