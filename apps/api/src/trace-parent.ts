const version00 = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * The caller's `traceparent` (W3C Trace Context), to be passed on with the execution.
 * @returns null where it is missing or malformed: a broken trace never breaks a request
 */
export function readTraceParent(header: string | undefined): string | null {
  if (header === undefined || !version00.test(header)) return null;
  const [version, traceId = "", parentId = ""] = header.split("-");
  const zeros = /^0+$/;
  if (version === "ff" || zeros.test(traceId) || zeros.test(parentId)) return null;
  return header;
}
