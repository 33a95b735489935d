/** `prometheus.relabel`: rewrites, keeps and drops samples by their labels, and remembers the outcome for each series. */
import type { Labels } from "@finch/model";
import { defineComponent, type ComponentContext } from "../../component.ts";
import type { MetricsReceiver, SampleSet } from "../../receivers.ts";
import { compileRuleBlocks, RULE_BLOCKS, ruleFault } from "../../relabel-arguments.ts";
import { relabelOutcome, RuleDrops, type RelabelOutcome } from "../../relabel-drops.ts";
import { relabel, type RelabelRule } from "../../relabel.ts";
import { isStaleAt, wordsOf } from "@finch/model";
import { optional, required, type ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { fanOut } from "./fan-out.ts";
import { SampleBuilder } from "./sample-builder.ts";

const ARGUMENTS = {
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  max_cache_size: optional("number", 100_000, "Series whose outcome is remembered.", { min: 1 }),
  cache_ttl: optional(
    "duration",
    0,
    "How long an outcome is remembered after its last use; 0: as long as there is room.",
    { min: 0 },
  ),
  rule: RULE_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly receiver: MetricsReceiver;
  readonly rules: readonly RelabelRule[];
}
type Context = ComponentContext<Arguments, Exports>;

export const prometheusRelabel = defineComponent<typeof ARGUMENTS, Exports>({
  name: "prometheus.relabel",
  stability: "generally-available",
  summary: "Rewrites, keeps and drops samples by relabelling rules.",
  arguments: ARGUMENTS,
  exports: {
    receiver: "Takes samples to relabel.",
    rules: "The rules, for components that take relabel_rules.",
  },
  check: (values) => ruleFault(values.rule),
  run: async (context, signal) => {
    const relabeler = new Relabeler(context);
    await untilAborted(signal, async () => {
      const rules = relabeler.configure(context.arguments());
      context.setExports({ receiver: relabeler, rules });
      await context.nextArguments(signal);
    });
  },
});

interface Outcome {
  readonly labels: RelabelOutcome;
  usedMs: number;
}

class Relabeler implements MetricsReceiver {
  readonly kind = "metrics-receiver";
  readonly owner: string;
  readonly #context: Context;
  #values: Arguments;
  #rules: readonly RelabelRule[] = [];
  /** By the key of the labels, the one unused for longest first. */
  #outcomes = new Map<string, Outcome>();

  constructor(context: Context) {
    this.owner = context.id;
    this.#context = context;
    this.#values = context.arguments();
  }

  configure(values: Arguments): readonly RelabelRule[] {
    this.#values = values;
    this.#rules = compileRuleBlocks(values.rule);
    this.#outcomes = new Map();
    return this.#rules;
  }

  async append(samples: SampleSet, signal: AbortSignal): Promise<void> {
    const builder = new SampleBuilder();
    const words = wordsOf(samples.values);
    const nowMs = this.#context.clock.nowMs();
    const drops = new RuleDrops("samples", this.#rules);
    let hits = 0;
    for (let i = 0; i < samples.labels.length; i++) {
      const labels = samples.labels[i]!;
      let outcome = this.#take(labels.key, nowMs);
      if (outcome === undefined) outcome = { labels: this.#relabel(labels), usedMs: nowMs };
      else hits++;
      // A series that ends is not asked for again; its place goes to one that lives.
      if (!isStaleAt(words, i)) this.#remember(labels.key, outcome);
      if (typeof outcome.labels === "number") drops.add(outcome.labels, labels);
      else builder.copy(outcome.labels, samples, i);
    }
    drops.finish(this.#context.drops);
    for (const { labels, exemplar } of samples.exemplars ?? []) {
      const known = this.#outcomes.get(labels.key);
      const relabelled = known === undefined ? this.#relabel(labels) : known.labels;
      if (typeof relabelled !== "number") builder.addExemplar(relabelled, exemplar);
    }
    this.#count({ processed: samples.labels.length, written: builder.count, hits });
    await fanOut(this.#context, this.#values.forward_to, {
      samples: builder.build(samples.metadata),
      signal,
    });
  }

  #relabel(labels: Labels): RelabelOutcome {
    return relabelOutcome(labels, relabel(labels, this.#rules), this.#rules);
  }

  /** Takes an outcome out of the cache, unless it is too old. */
  #take(key: string, nowMs: number): Outcome | undefined {
    const outcome = this.#outcomes.get(key);
    if (outcome === undefined) return undefined;
    this.#outcomes.delete(key);
    const { cache_ttl: ttlMs } = this.#values;
    if (ttlMs > 0 && nowMs - outcome.usedMs > ttlMs) return undefined;
    outcome.usedMs = nowMs;
    return outcome;
  }

  #remember(key: string, outcome: Outcome): void {
    if (this.#outcomes.size >= this.#values.max_cache_size) {
      const oldest = this.#outcomes.keys().next();
      if (oldest.done !== true) this.#outcomes.delete(oldest.value);
    }
    this.#outcomes.set(key, outcome);
  }

  #count(of: {
    readonly processed: number;
    readonly written: number;
    readonly hits: number;
  }): void {
    const { metrics } = this.#context;
    metrics
      .counter("alloy_prometheus_relabel_metrics_processed", "Samples that came in.")
      .add(of.processed);
    metrics
      .counter("alloy_prometheus_relabel_metrics_written", "Samples that went on.")
      .add(of.written);
    metrics
      .counter("alloy_prometheus_relabel_cache_hits", "Samples whose outcome was remembered.")
      .add(of.hits);
    metrics
      .counter("alloy_prometheus_relabel_cache_misses", "Samples whose outcome was worked out.")
      .add(of.processed - of.hits);
    metrics
      .gauge("alloy_prometheus_relabel_cache_size", "Outcomes remembered.")
      .set(this.#outcomes.size);
  }
}
