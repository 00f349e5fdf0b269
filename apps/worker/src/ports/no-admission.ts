import type { SharedAdmission } from "./answer-ports.ts";

/** Lets every call through. */
export const noAdmission: SharedAdmission = {
  enter: () => ({ breakerState: "closed", leave: () => undefined }),
  report: () => undefined,
  isClosed: () => true,
  onChange: () => undefined,
};
