import type { Deployment } from "../support/deployment.ts";
import type { RunningProcess } from "../support/running-process.ts";
import { request } from "../support/request.ts";

/** Looks at the processes themselves, again and again. */
export interface HealthWatch {
  /** @returns what is wrong, as sentences */
  look(): Promise<string[]>;
}

/** Bytes that an API process may grow by after its first look: JIT, pools and caches, not each request. */
const mayGrowBytes = 192 * 1024 * 1024;
/** Sockets and files that it may have more than at its first look. */
const mayHoldMore = 64;

/** See {@link HealthWatch}. */
export function watchHealth(
  deployment: Deployment,
  onAccepted: (executionId: string) => void,
): HealthWatch {
  const [api] = deployment.apis;
  if (api === undefined) throw new Error("There is no API to look at");
  let first: { memory: number; open: number } | null = null;
  const linesOf = (one: RunningProcess): string[] => one.text().split("\n").filter(Boolean);
  // How a process starts is no matter of what it is sent.
  const processes = [...deployment.apis, ...deployment.workers];
  const heard = new Map(processes.map((one) => [one.name, linesOf(one).length]));

  /** Lines that no process may write: errors, and what is no log line, such as Node's own words before it dies. */
  const badLines = (): string[] =>
    processes.flatMap((one) => {
      const lines = linesOf(one);
      const fresh = lines.slice(heard.get(one.name) ?? 0);
      heard.set(one.name, lines.length);
      return fresh
        .filter((line) => !line.startsWith("{") || /"level":"(?:error|fatal)"/.test(line))
        .map((line) => `${one.name} said: ${line.slice(0, 2_000)}`);
    });

  return {
    async look() {
      const wrong: string[] = badLines();
      for (const one of processes) {
        if (one.ended !== null) wrong.push(`${one.name} ended: ${JSON.stringify(one.ended)}`);
      }
      if (wrong.some((what) => what.includes(" ended: "))) return wrong;
      const ready = await request(`${api.url}/readyz`);
      if (ready.status !== 200 || ready.json.degraded.length > 0)
        wrong.push(`/readyz: ${ready.text}`);
      const done = await request(`${api.url}/api/v1/engines/echo/execute`, {
        json: { input: { still: "there" } },
        headers: { "x-api-key": deployment.planeKey, prefer: "wait=20" },
      });
      if (done.json?.execution_id) onAccepted(done.json.execution_id);
      if (done.json?.output?.still !== "there") wrong.push(`echo: ${done.status} ${done.text}`);

      const figures = (await request(`${api.metricsUrl}/metrics`)).text;
      const figure = (name: string): number =>
        Number(new RegExp(`^tl_${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(figures)?.[1]);
      const now = {
        memory: figure("process_resident_memory_bytes"),
        // Told on Linux alone.
        open: figure("process_open_fds"),
      };
      first ??= now;
      if (now.memory > first.memory + mayGrowBytes)
        wrong.push(`memory grew from ${first.memory} to ${now.memory} bytes`);
      if (now.open > first.open + mayHoldMore)
        wrong.push(`open sockets grew from ${first.open} to ${now.open}`);
      return wrong;
    },
  };
}
