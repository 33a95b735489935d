/** `relabel_configs` and their like as `rule` blocks. */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, literal } from "./alloy-tree.ts";
import type { Block } from "./alloy-tree.ts";
import type { ConversionLog } from "./conversion-log.ts";
import { convertFields, list, number, text } from "./fields.ts";
import type { Fields } from "./fields.ts";

const RULE_FIELDS: Fields = {
  source_labels: list(),
  separator: text(),
  regex: text(),
  modulus: number(),
  target_label: text(),
  replacement: text(),
  // Upper case is taken by the programs converted from.
  action: ({ node }) => [attribute("action", literal(node.text().toLowerCase()), node)],
};

/** A block called `name` for each rule; none when there is no list. */
export function convertRules(
  rules: YamlNode | undefined,
  log: ConversionLog,
  name = "rule",
): readonly Block[] {
  return (rules?.list() ?? []).map((rule) => {
    if (rule.isEmpty) throw rule.fault("an empty relabelling rule; write one or remove the entry");
    return block(name, convertFields(rule, RULE_FIELDS, log), { origin: rule });
  });
}
