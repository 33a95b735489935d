/** `pyroscope.relabel`: rewrites, keeps and drops profiles by their labels, and remembers the outcome for each label set. */
import type { Labels } from "@finch/model";
import { defineComponent, type ComponentContext } from "../../component.ts";
import { countProfiles } from "../../receivers.ts";
import type { ProfileSeries, ProfilesReceiver } from "../../receivers.ts";
import { compileRuleBlocks, RULE_BLOCKS, ruleFault } from "../../relabel-arguments.ts";
import { relabelOutcome, RuleDrops, type RelabelOutcome } from "../../relabel-drops.ts";
import { relabel, type RelabelRule } from "../../relabel.ts";
import { optional, required, type ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { fanOut } from "./fan-out.ts";

const ARGUMENTS = {
  forward_to: required("list(profiles-receiver)", "Where profiles go."),
  max_cache_size: optional("number", 10_000, "Label sets whose outcome is remembered.", { min: 1 }),
  rule: RULE_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
interface Exports {
  readonly receiver: ProfilesReceiver;
  readonly rules: readonly RelabelRule[];
}
type Context = ComponentContext<Arguments, Exports>;

export const pyroscopeRelabel = defineComponent<typeof ARGUMENTS, Exports>({
  name: "pyroscope.relabel",
  stability: "generally-available",
  summary: "Rewrites, keeps and drops profiles by relabelling rules.",
  arguments: ARGUMENTS,
  exports: {
    receiver: "Takes profiles to relabel.",
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

class Relabeler implements ProfilesReceiver {
  readonly kind = "profiles-receiver";
  readonly owner: string;
  readonly #context: Context;
  #values: Arguments;
  #rules: readonly RelabelRule[] = [];
  /** By the key of the labels, the one unused for longest first. */
  #outcomes = new Map<string, RelabelOutcome>();

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

  async append(series: readonly ProfileSeries[], signal: AbortSignal): Promise<void> {
    const drops = new RuleDrops("profiles", this.#rules);
    const kept = series.flatMap((one): readonly ProfileSeries[] => {
      const outcome = this.#outcomeOf(one.labels);
      if (typeof outcome !== "number") return [{ ...one, labels: outcome }];
      for (let i = countProfiles([one]); i > 0; i--) drops.add(outcome, one.labels);
      return [];
    });
    drops.finish(this.#context.drops);
    this.#count(countProfiles(series), countProfiles(kept));
    await fanOut(this.#context, this.#values.forward_to, { series: kept, signal });
  }

  #outcomeOf(labels: Labels): RelabelOutcome {
    const { metrics } = this.#context;
    const known = this.#outcomes.get(labels.key);
    this.#outcomes.delete(labels.key);
    const outcome = known ?? relabelOutcome(labels, relabel(labels, this.#rules), this.#rules);
    if (this.#outcomes.size >= this.#values.max_cache_size) {
      const oldest = this.#outcomes.keys().next();
      if (oldest.done !== true) this.#outcomes.delete(oldest.value);
    }
    this.#outcomes.set(labels.key, outcome);
    if (known === undefined)
      metrics
        .counter("pyroscope_relabel_cache_misses", "Label sets whose outcome was worked out.")
        .add(1);
    else
      metrics
        .counter("pyroscope_relabel_cache_hits", "Label sets whose outcome was remembered.")
        .add(1);
    metrics.gauge("pyroscope_relabel_cache_size", "Outcomes remembered.").set(this.#outcomes.size);
    return outcome;
  }

  #count(processed: number, written: number): void {
    const { metrics } = this.#context;
    metrics
      .counter("pyroscope_relabel_profiles_processed", "Profiles that came in.")
      .add(processed);
    metrics.counter("pyroscope_relabel_profiles_written", "Profiles that went on.").add(written);
    metrics
      .counter("pyroscope_relabel_profiles_dropped", "Profiles that rules dropped.")
      .add(processed - written);
  }
}
