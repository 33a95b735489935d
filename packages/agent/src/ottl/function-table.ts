/** All functions of OTTL by name. */
import { SPAN_NAME_EDITOR } from "./editor-span-name.ts";
import { MAP_EDITORS } from "./editors-map.ts";
import { METRIC_EDITORS } from "./editors-metric.ts";
import { REPLACE_EDITORS } from "./editors-replace.ts";
import { HASH_FUNCTIONS } from "./functions-hash.ts";
import { LIST_FUNCTIONS } from "./functions-list.ts";
import { PARSE_FUNCTIONS } from "./functions-parse.ts";
import { TEXT_FUNCTIONS } from "./functions-text.ts";
import { TIME_FUNCTIONS } from "./functions-time.ts";
import { TYPE_FUNCTIONS } from "./functions-type.ts";
import type { OttlFunction } from "./signature.ts";

const FUNCTIONS: ReadonlyMap<string, OttlFunction> = new Map(
  [
    ...MAP_EDITORS,
    ...REPLACE_EDITORS,
    ...METRIC_EDITORS,
    SPAN_NAME_EDITOR,
    ...TEXT_FUNCTIONS,
    ...HASH_FUNCTIONS,
    ...TYPE_FUNCTIONS,
    ...LIST_FUNCTIONS,
    ...TIME_FUNCTIONS,
    ...PARSE_FUNCTIONS,
  ].map((definition) => [definition.name, definition]),
);

/** Functions of the Collector that are not built. Those with lambdas are behind a feature gate there, which Alloy does not open. */
export const UNSUPPORTED_FUNCTIONS: ReadonlySet<string> = new Set([
  "All",
  "Any",
  "CommunityID",
  "ConvertAttributesToElementsXML",
  "ConvertTextToElementsXML",
  "ExtractGrokPatterns",
  "Filter",
  "Find",
  "GetXML",
  "InsertXML",
  "MapEach",
  "MapKeys",
  "Murmur3Hash",
  "Murmur3Hash128",
  "ParseCEF",
  "ParseCLF",
  "ParseELF",
  "ParseLEEF",
  "ParseSimplifiedXML",
  "ParseXML",
  "ProfileID",
  "Reduce",
  "RemoveXML",
  "UserAgent",
  "When",
  "XXH128",
  "XXH3",
  "aggregate_on_attribute_value",
  "aggregate_on_attributes",
  "convert_exponential_histogram_to_histogram",
  "convert_summary_quantile_val_to_gauge",
  "extract_percentile_metric",
  "merge_histogram_buckets",
]);

export function functionNamed(name: string): OttlFunction | undefined {
  return FUNCTIONS.get(name);
}

export function namesOfFunctions(): Iterable<string> {
  return FUNCTIONS.keys();
}
