/**
 * The trace of an execution that was submitted without one (W3C Trace Context, version 00): the same in all its attempts
 * and calls, so that they belong together wherever they are seen. Not sampled: nobody has asked anybody to record it.
 *
 * @param executionId a UUID, whose 16 bytes are the trace's id
 */
export function traceOf(executionId: string): string {
  const id = executionId.replaceAll("-", "");
  return `00-${id}-${id.slice(16)}-00`;
}
