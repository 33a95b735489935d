/** `loki.relabel`: rewrites the labels of entries by rules, drops entries, and exports the rules for sources that relabel themselves. */
import type { Labels } from "@finch/model";
import { defineComponent } from "../../component.ts";
import type { LogEntry, LogsReceiver } from "../../receivers.ts";
import { compileRuleBlocks, RULE_BLOCKS, ruleFault } from "../../relabel-arguments.ts";
import { NO_LABELS_LEFT, relabelOutcome, RuleDrops } from "../../relabel-drops.ts";
import type { RelabelOutcome } from "../../relabel-drops.ts";
import { createRelabeler } from "../../relabel.ts";
import type { RelabelRule } from "../../relabel.ts";
import { optional, required } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { forward } from "./forward.ts";

interface Exports {
  readonly receiver: LogsReceiver;
  readonly rules: readonly RelabelRule[];
}

export const lokiRelabel = defineComponent({
  name: "loki.relabel",
  stability: "generally-available",
  summary: "Rewrites the labels of log entries by relabelling rules.",
  arguments: {
    forward_to: required("list(logs-receiver)", "Where the entries go."),
    max_cache_size: optional("number", 10_000, "Label sets whose result is remembered.", {
      min: 0,
    }),
    rule: RULE_BLOCKS,
  },
  exports: {
    receiver: "Takes entries.",
    rules: "The rules, for components that take relabel_rules.",
  },
  check: (values) => ruleFault(values.rule),
  async run(context, signal) {
    let apply: (labels: Labels) => RelabelOutcome = () => NO_LABELS_LEFT;
    let rules: readonly RelabelRule[] = [];
    const publish = () => {
      const { rule, max_cache_size: cacheSize } = context.arguments();
      rules = compileRuleBlocks(rule);
      apply = remember(rules, cacheSize);
      context.setExports({ receiver, rules } satisfies Exports);
    };
    const processed = context.metrics.counter("loki_relabel_entries_processed", "Entries taken.");
    const written = context.metrics.counter("loki_relabel_entries_written", "Entries passed on.");
    const receiver: LogsReceiver = {
      kind: "logs-receiver",
      owner: context.id,
      async append(entries, appendSignal) {
        const kept: LogEntry[] = [];
        const drops = new RuleDrops("lines", rules);
        for (const entry of entries) {
          const labels = apply(entry.labels);
          if (typeof labels === "number") drops.add(labels, entry);
          else kept.push(labels === entry.labels ? entry : { ...entry, labels });
        }
        drops.finish(context.drops);
        processed.add(entries.length);
        await forward(context.arguments().forward_to, kept, appendSignal);
        written.add(kept.length);
      },
    };
    publish();
    await untilAborted(signal, async () => {
      await context.nextArguments(signal);
      publish();
    });
  },
});

/** Remembers results by label set; when full, the one that was made first goes. */
function remember(
  rules: readonly RelabelRule[],
  sizeMax: number,
): (labels: Labels) => RelabelOutcome {
  const relabel = createRelabeler(rules);
  const known = new Map<string, RelabelOutcome>();
  return (labels) => {
    const remembered = known.get(labels.key);
    if (remembered !== undefined) return remembered;
    const relabelled = relabel(labels);
    const result =
      relabelled?.size === 0 ? NO_LABELS_LEFT : relabelOutcome(labels, relabelled, rules);
    if (known.size >= sizeMax && sizeMax > 0) known.delete(known.keys().next().value!);
    if (sizeMax > 0) known.set(labels.key, result);
    return result;
  };
}
