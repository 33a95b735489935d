/** `policy` blocks of `otelcol.processor.tail_sampling`. */
import { compileRegexp } from "@finch/model";
import type { ArgumentFault } from "../component.ts";
import { OttlFault } from "../ottl/fault.ts";
import { compileList, ERROR_MODES } from "../ottl/statements.ts";
import { block, moot, notYet, optional, required, type ValuesOf } from "../schema.ts";

const invert = optional("bool", false, "Whether traces that do not match are meant.");

const SHARED = {
  name: required("string", "Name of the policy; each has its own."),
  type: required(
    "string",
    "always_sample, latency, numeric_attribute, boolean_attribute, string_attribute, status_code, probabilistic, rate_limiting, bytes_limiting, span_count, trace_state, trace_flags, ottl_condition; at the top also and, not and drop.",
  ),
  latency: block(
    {
      threshold_ms: required("number", "Traces that take longer, in milliseconds."),
      upper_threshold_ms: optional("number", 0, "And no longer than this; 0 for any time."),
    },
    { repeat: "optional", doc: "From the first start to the last end." },
  ),
  numeric_attribute: block(
    {
      key: required("string", "Name of the attribute."),
      min_value: required("number", "Lowest value; 0 for any."),
      max_value: required("number", "Highest value; 0 for any."),
      invert_match: invert,
    },
    { repeat: "optional", doc: "An int at a resource or a span." },
  ),
  boolean_attribute: block(
    {
      key: required("string", "Name of the attribute."),
      value: required("bool", "Its value."),
      invert_match: invert,
    },
    { repeat: "optional", doc: "A bool at a resource or a span." },
  ),
  string_attribute: block(
    {
      key: required("string", "Name of the attribute."),
      values: required("list(string)", "Values, or RE2 patterns that are found in them."),
      enabled_regex_matching: optional("bool", false, "Whether values are patterns."),
      cache_max_size: moot("number", 0, "matches are not remembered"),
      invert_match: invert,
    },
    { repeat: "optional", doc: "A string at a resource or a span." },
  ),
  status_code: block(
    { status_codes: required("list(string)", "OK, ERROR or UNSET.") },
    { repeat: "optional", doc: "The status of some span." },
  ),
  probabilistic: block(
    {
      sampling_percentage: required("number", "Of 100 traces, how many.", { min: 0 }),
      hash_salt: optional("string", "", "Makes other traces the sampled ones."),
    },
    { repeat: "optional", doc: "By the id of the trace." },
  ),
  rate_limiting: block(
    {
      spans_per_second: required("number", "Spans a second.", { min: 1 }),
      burst_capacity: optional("number", 0, "Spans at once; twice as many by default."),
    },
    { repeat: "optional", doc: "As long as there is room for all spans of a trace." },
  ),
  bytes_limiting: block(
    {
      bytes_per_second: required("number", "Bytes a second, as they are sent.", { min: 1 }),
      burst_capacity: optional("number", 0, "Bytes at once; twice as many by default."),
    },
    { repeat: "optional", doc: "As long as there is room for all bytes of a trace." },
  ),
  span_count: block(
    {
      min_spans: required("number", "Fewest spans."),
      max_spans: optional("number", 0, "Most spans; 0 for any."),
    },
    { repeat: "optional", doc: "How many spans a trace has." },
  ),
  trace_state: block(
    {
      key: required("string", "Name of the entry."),
      values: required("list(string)", "Its values."),
    },
    { repeat: "optional", doc: "An entry of the trace state of some span." },
  ),
  ottl_condition: block(
    {
      error_mode: required(
        "string",
        "ignore, silent or propagate, which counts as a failed policy.",
      ),
      span: optional("list(string)", [], "Conditions of spans."),
      spanevent: optional("list(string)", [], "Conditions of events of spans."),
    },
    { repeat: "optional", doc: "Where one condition holds." },
  ),
};

export const POLICY_BLOCKS = block(
  {
    ...SHARED,
    and: block(
      { and_sub_policy: block(SHARED, { repeat: "many", doc: "Policies that all must sample." }) },
      { repeat: "optional", doc: "Where all policies in it sample." },
    ),
    not: block(
      { not_sub_policy: block(SHARED, { repeat: "optional", doc: "The policy." }) },
      { repeat: "optional", doc: "Where the policy in it does not sample." },
    ),
    drop: block(
      { drop_sub_policy: block(SHARED, { repeat: "many", doc: "Policies that all must sample." }) },
      { repeat: "optional", doc: "Drops where all policies in it sample, whatever others say." },
    ),
    composite: notYet("block", "Shares of a rate for several policies."),
  },
  { repeat: "many", doc: "What is sampled. A trace is when one policy says so and none drops it." },
);

export type PolicyBlock = ValuesOf<typeof SHARED>;
export type TopPolicyBlock = ValuesOf<(typeof POLICY_BLOCKS)["schema"]>;

/** Types with a block of their name. */
const WITH_BLOCK = [
  "latency",
  "numeric_attribute",
  "boolean_attribute",
  "string_attribute",
  "status_code",
  "probabilistic",
  "rate_limiting",
  "bytes_limiting",
  "span_count",
  "trace_state",
  "ottl_condition",
] as const;
const WITHOUT_BLOCK = ["always_sample", "trace_flags"];
const STATUS = ["UNSET", "OK", "ERROR"];

export function findPolicyFault(policies: readonly TopPolicyBlock[]): ArgumentFault | undefined {
  if (policies.length === 0) return { message: "needs a policy" };
  for (const [i, policy] of policies.entries()) {
    const at = `policy[${i}]`;
    if (policy.name === "") return { at: `${at}.name`, message: "is empty" };
    if (policies.findIndex(({ name }) => name === policy.name) < i)
      return {
        at: `${at}.name`,
        message: `another policy is named ${JSON.stringify(policy.name)}`,
      };
    const fault = topFault(policy);
    if (fault !== undefined) return { ...fault, at: fault.at === "" ? at : `${at}.${fault.at}` };
  }
  return undefined;
}

interface PlacedFault {
  readonly at: string;
  readonly message: string;
}

function topFault(policy: TopPolicyBlock): PlacedFault | undefined {
  switch (policy.type) {
    case "and":
      return listFault("and.and_sub_policy", policy.and?.and_sub_policy ?? []);
    case "drop":
      return listFault("drop.drop_sub_policy", policy.drop?.drop_sub_policy ?? []);
    case "not": {
      const inner = policy.not?.not_sub_policy;
      return listFault("not.not_sub_policy", inner === undefined ? [] : [inner]);
    }
    case "composite":
      return { at: "type", message: "not supported yet: composite" };
    default:
      return policyFault(policy);
  }
}

function listFault(name: string, policies: readonly PolicyBlock[]): PlacedFault | undefined {
  if (policies.length === 0) return { at: "", message: `needs a ${name.split(".")[1]!}` };
  for (const [i, policy] of policies.entries()) {
    const fault = policyFault(policy);
    if (fault !== undefined) return { ...fault, at: `${name}[${i}]${fault.at && `.${fault.at}`}` };
  }
  return undefined;
}

function policyFault(policy: PolicyBlock): PlacedFault | undefined {
  if (WITHOUT_BLOCK.includes(policy.type)) return undefined;
  const type = WITH_BLOCK.find((known) => known === policy.type);
  if (type === undefined)
    return {
      at: "type",
      message: `must be one of ${[...WITHOUT_BLOCK, ...WITH_BLOCK].join(", ")}; at the top also and, not, drop`,
    };
  if (policy[type] === undefined) return { at: "", message: `needs a ${type} block` };
  return statusFault(policy) ?? patternFault(policy) ?? conditionFault(policy);
}

function statusFault({ status_code: status }: PolicyBlock): PlacedFault | undefined {
  if (status === undefined) return undefined;
  const { status_codes: codes } = status;
  if (codes.length > 0 && codes.every((code) => STATUS.includes(code))) return undefined;
  return { at: "status_code.status_codes", message: "takes OK, ERROR and UNSET, and needs one" };
}

function patternFault({ string_attribute: written }: PolicyBlock): PlacedFault | undefined {
  if (written?.enabled_regex_matching !== true) return undefined;
  for (const pattern of written.values) {
    try {
      compileRegexp(pattern, { anchored: false });
    } catch (error) {
      return { at: "string_attribute.values", message: (error as Error).message };
    }
  }
  return undefined;
}

function conditionFault({ ottl_condition: written }: PolicyBlock): PlacedFault | undefined {
  if (written === undefined) return undefined;
  if (!ERROR_MODES.some((mode) => mode === written.error_mode))
    return { at: "ottl_condition.error_mode", message: `must be one of ${ERROR_MODES.join(", ")}` };
  if (written.span.length + written.spanevent.length === 0)
    return { at: "ottl_condition", message: "needs a condition" };
  for (const context of ["span", "spanevent"] as const) {
    try {
      const conditions = written[context];
      compileList("traces", { context, conditions, statements: [], errorMode: "ignore" });
    } catch (error) {
      if (!(error instanceof OttlFault)) throw error;
      return { at: `ottl_condition.${context}`, message: error.message };
    }
  }
  return undefined;
}

/** The number of a status as spans have it. */
export function statusNumber(code: string): number {
  return STATUS.indexOf(code);
}
