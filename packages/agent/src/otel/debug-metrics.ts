/** The `debug_metrics` block that most `otelcol.*` components of Alloy have. */
import type { ArgumentFault } from "../component.ts";
import { block, oneOf, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";

const DEBUG_METRICS = {
  disable_high_cardinality_metrics: optional(
    "bool",
    true,
    "Leave out metrics of the component that have a series for each peer; only true is taken, for there are none.",
  ),
  level: oneOf(
    ["none", "basic", "normal", "detailed"],
    "detailed",
    "How much the component tells of itself; all of it, whatever is written.",
  ),
};

/** Spread into a schema. */
export const DEBUG_METRICS_BLOCKS = {
  debug_metrics: block(DEBUG_METRICS, {
    repeat: "one",
    doc: "The component's own metrics.",
  }),
};

/** Why the block cannot be taken; undefined when it can. */
export function debugMetricsFault(values: {
  readonly debug_metrics: ValuesOf<typeof DEBUG_METRICS>;
}): ArgumentFault | undefined {
  if (values.debug_metrics.disable_high_cardinality_metrics) return undefined;
  return {
    at: "debug_metrics.disable_high_cardinality_metrics",
    message: "not supported yet: disable_high_cardinality_metrics = false",
  };
}
