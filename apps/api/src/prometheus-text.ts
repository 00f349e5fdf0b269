import type { EngineMetrics } from "@tl-engine/contract";

interface Family {
  name: string;
  type: "gauge" | "counter";
  help: string;
  /** Label text after `engine` and value; null values are left out. */
  samples(engine: EngineMetrics): [labels: string, value: number | null][];
}

const gauge = (
  name: string,
  help: string,
  read: (engine: EngineMetrics) => number | null,
): Family => ({ name, type: "gauge", help, samples: (engine) => [["", read(engine)]] });

const quantiles = (
  name: string,
  help: string,
  read: (engine: EngineMetrics) => EngineMetrics["run_seconds"],
): Family => ({
  name,
  type: "gauge",
  help,
  samples: (engine) => {
    const { p50, p95, p99 } = read(engine);
    return [
      [',quantile="0.5"', p50],
      [',quantile="0.95"', p95],
      [',quantile="0.99"', p99],
    ];
  },
});

const families: Family[] = [
  gauge("tl_engine_queued", "Executions that are queued", (e) => e.queued),
  gauge("tl_engine_running", "Executions that run", (e) => e.running),
  gauge("tl_engine_scheduled", "Executions whose time has not come", (e) => e.scheduled),
  gauge(
    "tl_engine_runnable",
    "Queued executions that could start with more slots",
    (e) => e.runnable,
  ),
  gauge(
    "tl_engine_oldest_queued_seconds",
    "How long the oldest runnable execution has waited",
    (e) => e.oldest_queued_seconds,
  ),
  gauge(
    "tl_engine_throughput_per_second",
    "Attempts ended a second, over the last 5 minutes",
    (e) => e.throughput_per_second,
  ),
  gauge("tl_engine_backlog_seconds", "How long the backlog lasts", (e) => e.backlog_seconds),
  gauge("tl_engine_workers", "Live workers that serve the engine", (e) => e.workers),
  gauge("tl_engine_slots", "Executions that may run at once", (e) => e.slots),
  gauge("tl_engine_desired_workers", "Workers that the backlog asks for", (e) => e.desired_workers),
  quantiles("tl_engine_queue_seconds", "Time in the queue, last 5 minutes", (e) => e.queue_seconds),
  quantiles("tl_engine_run_seconds", "Time of an attempt, last 5 minutes", (e) => e.run_seconds),
  {
    name: "tl_engine_executions_total",
    type: "counter",
    help: "Executions by what became of them, of all time",
    samples: ({ totals }) =>
      Object.entries(totals).map(([outcome, count]) => [`,outcome="${outcome}"`, count]),
  },
];

/** The engines' figures in Prometheus' text format, version 0.0.4. An engine's id needs no escaping in a label. */
export function prometheusText(engines: readonly EngineMetrics[]): string {
  return families
    .map(({ name, type, help, samples }) => {
      const lines = engines.flatMap((engine) =>
        samples(engine)
          .filter(([, value]) => value !== null)
          .map(([labels, value]) => `${name}{engine="${engine.id}"${labels}} ${value}\n`),
      );
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}
