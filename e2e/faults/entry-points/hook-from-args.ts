import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";

const names = [
  "afterRecord",
  "afterEnqueue",
  "afterStart",
  "beforeHandOver",
  "beforeSettle",
  "afterSettle",
] as const;
export type HookName = (typeof names)[number];

/** What happens at a hook of a process of the bed. */
export interface HookPlan {
  hook: HookName;
  /** The how manieth time it is reached. Default 1. */
  nth?: number;
  /** Null: the process kills itself. A number: it stalls for so long there, ms, this time and all later ones. */
  stallMs?: number | null;
}

/** The arguments of an entry point of the bed for this plan. */
export function hookArgs({ hook, nth = 1, stallMs = null }: HookPlan): string[] {
  return [
    "--hook",
    hook,
    "--nth",
    String(nth),
    ...(stallMs === null ? [] : ["--stall", String(stallMs)]),
  ];
}

/** @throws Error where the arguments name no hook */
export function hooksFromArgs(args: readonly string[]): FaultHooks {
  const { values } = parseArgs({
    args: [...args],
    options: { hook: { type: "string" }, nth: { type: "string" }, stall: { type: "string" } },
  });
  const hook = names.find((name) => name === values.hook);
  if (hook === undefined) throw new Error(`--hook takes one of ${names.join(", ")}`);
  let times = 0;
  return {
    [hook]: async () => {
      if (++times < Number(values.nth ?? "1")) return;
      if (values.stall !== undefined) {
        await delay(Number(values.stall));
        return;
      }
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => undefined);
    },
  };
}
