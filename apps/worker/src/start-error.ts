/** What stops a worker's start and is no defect: the message says what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
}
