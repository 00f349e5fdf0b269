const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const written = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration such as `500ms`, `30s`, `15m`, `24h` or `7d`.
 * @returns null where the text is no duration
 */
export function durationMs(text: string): number | null {
  const match = written.exec(text);
  if (!match) return null;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}
