/** `prometheus.enrich`: lays labels of discovered targets over the samples that have the same values in some of their labels. */
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import type { MetricsReceiver, SampleSet } from "../../receivers.ts";
import { maybe, optional, required, type ValuesOf } from "../../schema.ts";
import { TargetIndex, type LabelPair } from "../../target-index.ts";
import { untilAborted } from "../../until-aborted.ts";
import { fanOut } from "./fan-out.ts";
import { SampleBuilder } from "./sample-builder.ts";

const ARGUMENTS = {
  targets: required("list(target)", "Targets whose labels are laid over samples."),
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  target_to_metric_match: optional(
    "map(string)",
    {},
    "Label of targets, and the label of samples that must have the same value; all that are named.",
  ),
  target_match_label: maybe("string", "The one label of targets; deprecated."),
  metrics_match_label: maybe(
    "string",
    "The label of samples for target_match_label, when it has another name; deprecated.",
  ),
  labels_to_copy: optional(
    "list(string)",
    [],
    "Labels of targets that are laid over samples; all by default.",
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly receiver: MetricsReceiver;
}
type Context = ComponentContext<Arguments, Exports>;

export const prometheusEnrich = defineComponent<typeof ARGUMENTS, Exports>({
  name: "prometheus.enrich",
  stability: "experimental",
  summary: "Lays labels of discovered targets over matching samples.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes samples to enrich." },
  check: findFault,
  run: async (context, signal) => {
    const enricher = new Enricher(context);
    await untilAborted(signal, async () => {
      enricher.configure(context.arguments());
      context.setExports({ receiver: enricher });
      await context.nextArguments(signal);
    });
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (pairsOf(values).length > 0) return undefined;
  return values.metrics_match_label === undefined
    ? { message: "set target_to_metric_match, or target_match_label" }
    : { at: "metrics_match_label", message: "target_match_label must be set with it" };
}

function pairsOf(values: Arguments): readonly LabelPair[] {
  const { target_to_metric_match: match, target_match_label: label = "" } = values;
  const pairs = Object.entries(match).map(([ofTarget, ofLabels]) => ({ ofTarget, ofLabels }));
  if (pairs.length > 0 || label === "") return pairs;
  return [{ ofTarget: label, ofLabels: values.metrics_match_label || label }];
}

class Enricher implements MetricsReceiver {
  readonly kind = "metrics-receiver";
  readonly owner: string;
  readonly #context: Context;
  #forwardTo: Arguments["forward_to"] = [];
  #index = new TargetIndex([], { pairs: [], copied: [] });

  constructor(context: Context) {
    this.owner = context.id;
    this.#context = context;
  }

  configure(values: Arguments): void {
    this.#forwardTo = values.forward_to;
    this.#index = new TargetIndex(values.targets, {
      pairs: pairsOf(values),
      copied: values.labels_to_copy,
    });
    this.#context.metrics
      .gauge("alloy_prometheus_target_cache_size", "Targets that samples are matched against.")
      .set(this.#index.size);
    this.#context.setHealth("healthy", `${this.#index.size} targets`);
  }

  async append(samples: SampleSet, signal: AbortSignal): Promise<void> {
    const builder = new SampleBuilder();
    for (const [row, labels] of samples.labels.entries())
      builder.copy(this.#index.enrich(labels), samples, row);
    for (const { labels, exemplar } of samples.exemplars ?? [])
      builder.addExemplar(this.#index.enrich(labels), exemplar);
    await fanOut(this.#context, this.#forwardTo, {
      samples: builder.build(samples.metadata),
      signal,
    });
  }
}
