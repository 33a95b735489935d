/** `stage.metrics`: counters, gauges and histograms made of entries, exposed with the component's own metrics. Their labels are the entry's. */
import { tryParseGoDuration } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { choice, maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

const SHARED = {
  name: required("string", "Name behind the prefix."),
  description: optional("string", "", "Help text."),
  source: optional("string", "", "Extracted value to read; the name when not given."),
  prefix: optional("string", "loki_process_custom_", "Stands before the name."),
  max_idle_duration: optional(
    "duration",
    300_000,
    "A series that is not touched for so long is removed.",
  ),
  value: maybe("string", "Count only when the source is exactly this."),
} as const;

const COUNTER = {
  ...SHARED,
  action: oneOf(["inc", "add"], "inc", "inc: by one; add: by the source's value."),
  match_all: optional("bool", false, "Count every entry, whatever the source."),
  count_entry_bytes: optional(
    "bool",
    false,
    "Count the bytes of the lines; with match_all and add.",
  ),
} as const;
const GAUGE = {
  ...SHARED,
  action: oneOf(["set", "inc", "dec", "add", "sub"], "set", "What an entry does to the gauge."),
} as const;
const HISTOGRAM = {
  ...SHARED,
  buckets: required("list(number)", "Upper bounds of the buckets."),
} as const;

export const METRICS_STAGE = {
  metric: choice({ counter: COUNTER, gauge: GAUGE, histogram: HISTOGRAM }, "Metrics to keep."),
} as const;

type Metric = ValuesOf<typeof METRICS_STAGE>["metric"][number];
const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export function metricsStage(values: ValuesOf<typeof METRICS_STAGE>, context: StageContext): Stage {
  const observers = values.metric.map((metric) => observer(metric, context));
  return eachEntry((entry) => {
    for (const observe of observers) observe(entry);
  });
}

function observer(metric: Metric, context: StageContext): (entry: PipelineEntry) => void {
  const { prefix, name, description, value: wanted } = metric.values;
  const fullName = prefix + name;
  if (!METRIC_NAME.test(fullName))
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `stage.metrics: ${JSON.stringify(fullName)} is not a metric name`,
    );
  const source = metric.values.source || name;
  const touch = toucher(metric, fullName, description, context);
  return (entry) => {
    const everything = metric.name === "counter" && metric.values.match_all;
    const text = textOf(entry.extracted.get(source));
    if (!everything && (text === undefined || (wanted !== undefined && text !== wanted))) return;
    const labels = Object.fromEntries(
      [...entry.labels].filter(([label]) => !label.startsWith("__")),
    );
    touch(labels, () =>
      metric.name === "counter" && metric.values.count_entry_bytes
        ? Buffer.byteLength(entry.line)
        : numberOf(text),
    );
  };
}

type Touch = (labels: Readonly<Record<string, string>>, amount: () => number | undefined) => void;

function toucher(metric: Metric, name: string, help: string, context: StageContext): Touch {
  const idleMs = metric.values.max_idle_duration;
  switch (metric.name) {
    case "counter": {
      const { action } = metric.values;
      return (labels, amount) => {
        const by = action === "inc" ? 1 : amount();
        if (by !== undefined && by >= 0)
          context.metrics.counter(name, help, labels, { idleMs }).add(by);
      };
    }
    case "gauge":
      return gaugeToucher(metric.values.action, (labels) =>
        context.metrics.gauge(name, help, labels, { idleMs }),
      );
    case "histogram": {
      const { buckets } = metric.values;
      return (labels, amount) => {
        const observed = amount();
        if (observed !== undefined)
          context.metrics.histogram(name, help, buckets, labels, { idleMs }).observe(observed);
      };
    }
  }
}

interface Gauge {
  set(value: number): void;
  add(amount: number): void;
}

function gaugeToucher(
  action: "set" | "inc" | "dec" | "add" | "sub",
  gaugeOf: (labels: Readonly<Record<string, string>>) => Gauge,
): Touch {
  return (labels, amount) => {
    const gauge = gaugeOf(labels);
    if (action === "inc") return gauge.add(1);
    if (action === "dec") return gauge.add(-1);
    const by = amount();
    if (by === undefined) return;
    if (action === "set") gauge.set(by);
    else gauge.add(action === "add" ? by : -by);
  };
}

/** A number, a numeric text, or a Go duration in seconds. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const number = Number(text);
  if (!Number.isNaN(number)) return number;
  const ns = tryParseGoDuration(text);
  return ns === undefined ? undefined : ns / 1e9;
}
