import { Worker } from "node:worker_threads";

/** ms between looks at whether the worker is still there. */
const everyMs = 500;

// JavaScript, since a thread that strips types takes 20 MiB. Not even a spinning engine holds up a thread.
const watch = `
const { workerData } = require("node:worker_threads");
setInterval(() => {
  if (process.ppid !== workerData.workerPid) process.kill(-process.pid, "SIGKILL");
}, workerData.everyMs);
`;

/**
 * Ends this process, and its group, within a second after its worker died: by a thread that looks whose child it is, so
 * that it happens while an engine blocks the event loop, too. Else its execution would run here beside its next start.
 */
export function endWithWorker(workerPid: number): void {
  // Before engines are loaded, to whom process.kill is refused.
  const kill = process.kill.bind(process);
  const thread = new Worker(watch, {
    eval: true,
    name: "end-with-worker",
    workerData: { workerPid, everyMs },
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
  });
  thread.on("error", () => kill(-process.pid, "SIGKILL"));
  thread.unref();
}
