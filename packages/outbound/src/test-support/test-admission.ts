import { type Admission, type Admitted } from "../ports.ts";

export type Outcome = Parameters<Admitted["leave"]>[0];

/** An admission that lets everything through and writes down what it was told. */
export interface TestAdmission extends Admission {
  /** How many were let through. */
  entered(): number;
  /** What was said by those that left, in order. */
  readonly left: readonly Outcome[];
  /** How many were let through and have not left. */
  inside(): number;
}

/** @throws from `leave`, where one leaves twice */
export function createTestAdmission(breakerState: Admitted["breakerState"] = "closed") {
  const left: Outcome[] = [];
  let entered = 0;
  let twice = 0;
  const admission: TestAdmission = {
    enter() {
      entered++;
      let gone = false;
      return {
        breakerState,
        leave(outcome) {
          if (gone) twice++;
          gone = true;
          left.push(outcome);
        },
      };
    },
    entered: () => entered,
    left,
    // One that left twice must not hide one that never did.
    inside: () => entered - (left.length - twice) + twice * 1000,
  };
  return admission;
}
