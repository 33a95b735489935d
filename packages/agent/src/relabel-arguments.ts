/** The `rule` blocks of relabelling components and sinks: their declaration, their check, and how they become compiled rules. */
import type { ArgumentFault } from "./component.ts";
import { compileRules, RELABEL_ACTIONS, relabelFault } from "./relabel.ts";
import type { NameScheme, RelabelConfig, RelabelRule } from "./relabel.ts";
import { block, maybe, oneOf, optional } from "./schema.ts";
import type { ValuesOf } from "./schema.ts";

/** Arguments of one `rule { … }` block. */
export const RULE_ARGUMENTS = {
  action: oneOf(RELABEL_ACTIONS, "replace", "What the rule does."),
  source_labels: maybe("list(string)", "Labels whose values are joined and matched."),
  separator: optional("string", ";", "Text between the joined values."),
  regex: optional("string", "(.*)", "RE2 expression; it must match the whole value."),
  modulus: optional("number", 0, "Modulus of hashmod.", { min: 0 }),
  target_label: optional("string", "", "Label that is written; may refer to groups as $1."),
  replacement: optional("string", "$1", "New value; may refer to groups as $1 or ${name}."),
} as const;

/** `rule` blocks, in order; put it into a component's arguments as `rule: RULE_BLOCKS`. */
export const RULE_BLOCKS = block(RULE_ARGUMENTS, {
  repeat: "many",
  doc: "Relabelling rules, applied in order.",
});

export type RuleValues = ValuesOf<typeof RULE_ARGUMENTS>;

/** Compiles rule blocks that have passed {@link ruleFault}. Names are legacy ones, as in Alloy. */
export function compileRuleBlocks(
  rules: readonly RuleValues[],
  names: NameScheme = "legacy",
): readonly RelabelRule[] {
  return compileRules(rules.map(relabelConfigOf), { names });
}

/** The first rule that is refused, for a component's `check`; `path` is the name of the block in the arguments. */
export function ruleFault(rules: readonly RuleValues[], path = "rule"): ArgumentFault | undefined {
  for (const [index, rule] of rules.entries()) {
    const message = relabelFault(relabelConfigOf(rule), { names: "legacy" });
    if (message === undefined) continue;
    const at = `${path}[${index}]`;
    return { at: message.startsWith("bad regular expression") ? `${at}.regex` : at, message };
  }
  return undefined;
}

/** A rule block as the compiler takes it. */
export function relabelConfigOf(rule: RuleValues): RelabelConfig {
  return {
    action: rule.action,
    sourceLabels: rule.source_labels,
    separator: rule.separator,
    regex: rule.regex,
    modulus: rule.modulus,
    targetLabel: rule.target_label,
    replacement: rule.replacement,
  };
}
