/** A message does not fit its type, or descriptors are not whole: whoever gave them has to change something. */
export class ProtobufError extends Error {
  override name = "ProtobufError";
  /** As the contract's error codes say it: for whoever reads thrown values by their members. */
  readonly code = "input_invalid";
  readonly retryable = false;
}
