import { OutboundRefusedError } from "./errors.ts";
import { type DoorPorts } from "./ports.ts";

/** Ports of a process that has no connections: plain addresses can be called, and nothing else. */
export const noConnections: Omit<DoorPorts, "callLog"> = {
  connections: {
    connection: (id) =>
      Promise.reject(
        new OutboundRefusedError(`there is no connection ${JSON.stringify(id)} to use`),
      ),
  },
  admission: { enter: () => ({ breakerState: "closed", leave: () => undefined }) },
  tokens: {
    token: () => Promise.reject(new OutboundRefusedError("there are no tokens to be had here")),
  },
};
