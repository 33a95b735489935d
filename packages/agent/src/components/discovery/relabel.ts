/** `discovery.relabel`: rewrites a list of targets by rules. A pure function of its arguments. */
import { defineComponent } from "../../component.ts";
import type { ComponentDrops } from "../../live/drop-counters.ts";
import type { Target } from "../../receivers.ts";
import { compileRuleBlocks, RULE_BLOCKS, ruleFault } from "../../relabel-arguments.ts";
import { RuleDrops } from "../../relabel-drops.ts";
import { droppingRule, relabel as relabelOne } from "../../relabel.ts";
import type { RelabelRule } from "../../relabel.ts";
import { required } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";

interface Exports {
  readonly output: readonly Target[];
  readonly rules: readonly RelabelRule[];
}

export const relabel = defineComponent({
  name: "discovery.relabel",
  stability: "generally-available",
  summary: "Rewrites, keeps and drops targets by relabelling rules.",
  arguments: {
    targets: required("list(target)", "Targets to relabel."),
    rule: RULE_BLOCKS,
  },
  exports: {
    output: "The targets after all rules.",
    rules: "The rules, for components that take relabel_rules.",
  },
  check: (values) => ruleFault(values.rule),
  async run(context, signal) {
    await untilAborted(signal, async () => {
      const { targets, rule } = context.arguments();
      context.setExports(relabelTargets(targets, compileRuleBlocks(rule), context.drops));
      await context.nextArguments(signal);
    });
  },
});

function relabelTargets(
  targets: readonly Target[],
  rules: readonly RelabelRule[],
  drops: ComponentDrops,
): Exports {
  const output: Target[] = [];
  const dropped = new RuleDrops("targets", rules);
  for (const target of targets) {
    const relabelled = relabelOne(target, rules);
    if (relabelled !== undefined) output.push(relabelled);
    else dropped.add(droppingRule(target, rules), target);
  }
  dropped.finish(drops);
  return { output, rules };
}
