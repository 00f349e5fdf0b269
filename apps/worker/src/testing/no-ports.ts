import type { AskPorts } from "../host/answering.ts";

/** Ports of a worker that has no connections, for tests of what uses none. */
export const noPorts: AskPorts<unknown> = {
  connection: () => Promise.reject(new Error("there are no connections here")),
  enter: () => Promise.reject(new Error("there are no connections here")),
  token: () => Promise.reject(new Error("there are no tokens here")),
  called: () => undefined,
  watch: () => () => undefined,
  onError: () => undefined,
};
