/** What policies of tail sampling decide about a trace. */
import { compileRegexp } from "@finch/model";
import { encodeOtlpTree, type AnyValue, type Attributes } from "@finch/wire";
import type { FaultLog } from "../ottl/fault-log.ts";
import { compileList, ERROR_MODES, holdsSomewhere } from "../ottl/statements.ts";
import { createSubject } from "../ottl/walk.ts";
import { statusNumber, type PolicyBlock, type TopPolicyBlock } from "./policy-arguments.ts";
import { TokenBucket } from "./token-bucket.ts";
import { spansOf, type PendingTrace } from "./trace-buffer.ts";

/** `inverted-…`: of policies with invert_match, which others can overrule, or which overrule others. */
export type Decision =
  | "sampled"
  | "not-sampled"
  | "inverted-sampled"
  | "inverted-not-sampled"
  | "dropped";

/** What a policy knows of the world. */
export interface PolicyWorld {
  nowMs(): number;
  nowNs(): bigint;
  readonly faults: FaultLog;
}

/** Throws an OttlRunFault where a condition fails that is to be told. */
export type Policy = (trace: PendingTrace) => Decision;

export interface NamedPolicy {
  readonly name: string;
  readonly decide: Policy;
}

/** Policies that drop come first. The blocks must have no fault. */
export function compilePolicies(
  blocks: readonly TopPolicyBlock[],
  world: PolicyWorld,
): readonly NamedPolicy[] {
  return blocks
    .toSorted((a, b) => Number(b.type === "drop") - Number(a.type === "drop"))
    .map((block) => ({ name: block.name, decide: compileTop(block, world) }));
}

function compileTop(block: TopPolicyBlock, world: PolicyWorld): Policy {
  switch (block.type) {
    case "and": {
      const all = allOf(block.and!.and_sub_policy, world);
      return (trace) => (all(trace) ? "sampled" : "not-sampled");
    }
    case "drop": {
      const all = allOf(block.drop!.drop_sub_policy, world);
      return (trace) => (all(trace) ? "dropped" : "not-sampled");
    }
    case "not": {
      const inner = allOf([block.not!.not_sub_policy!], world);
      return (trace) => (inner(trace) ? "not-sampled" : "sampled");
    }
    default:
      return compilePolicy(block, world);
  }
}

function allOf(
  blocks: readonly PolicyBlock[],
  world: PolicyWorld,
): (trace: PendingTrace) => boolean {
  const policies = blocks.map((block) => compilePolicy(block, world));
  return (trace) =>
    policies.every((decide) => {
      const decision = decide(trace);
      return decision === "sampled" || decision === "inverted-sampled";
    });
}

function compilePolicy(block: PolicyBlock, world: PolicyWorld): Policy {
  const plain = (holds: (trace: PendingTrace) => boolean): Policy => {
    return (trace) => (holds(trace) ? "sampled" : "not-sampled");
  };
  switch (block.type) {
    case "latency":
      return plain(latency(block.latency!));
    case "numeric_attribute":
      return numericAttribute(block.numeric_attribute!);
    case "boolean_attribute": {
      const { key, value, invert_match: isInverted } = block.boolean_attribute!;
      return byAttribute({ key, isInverted, fits: (found) => found === value });
    }
    case "string_attribute":
      return stringAttribute(block.string_attribute!);
    case "status_code": {
      const codes = block.status_code!.status_codes.map(statusNumber);
      return plain((trace) => spansOf(trace).some(({ status }) => codes.includes(status.code)));
    }
    case "probabilistic":
      return plain(probabilistic(block.probabilistic!));
    case "rate_limiting": {
      const { spans_per_second: rate, burst_capacity: burst } = block.rate_limiting!;
      const bucket = new TokenBucket(rate, burst || 2 * rate, world.nowMs());
      return plain(({ spanCount }) => bucket.take(spanCount, world.nowMs()));
    }
    case "bytes_limiting": {
      const { bytes_per_second: rate, burst_capacity: burst } = block.bytes_limiting!;
      const bucket = new TokenBucket(rate, burst || 2 * rate, world.nowMs());
      return plain((trace) => bucket.take(bytesOf(trace), world.nowMs()));
    }
    case "span_count": {
      const { min_spans: min, max_spans: max } = block.span_count!;
      return plain(({ spanCount }) => spanCount >= min && (max === 0 || spanCount <= max));
    }
    case "trace_state":
      return plain(traceState(block.trace_state!));
    case "trace_flags":
      return plain((trace) => spansOf(trace).some(({ flags }) => (flags & 1) === 1));
    case "ottl_condition":
      return plain(ottlCondition(block.ottl_condition!, world));
    default:
      return () => "sampled";
  }
}

/** As it is sent. */
export function bytesOf({ resourceSpans }: Pick<PendingTrace, "resourceSpans">): number {
  return encodeOtlpTree("traces", { resourceSpans }).length;
}

type Block<Name extends keyof PolicyBlock> = NonNullable<PolicyBlock[Name]>;

function latency({ threshold_ms: low, upper_threshold_ms: high }: Block<"latency">) {
  return (trace: PendingTrace) => {
    const spans = spansOf(trace);
    let start = spans[0]!.startTimeUnixNano;
    let end = spans[0]!.endTimeUnixNano;
    for (const { startTimeUnixNano, endTimeUnixNano } of spans) {
      if (startTimeUnixNano < start) start = startTimeUnixNano;
      if (endTimeUnixNano > end) end = endTimeUnixNano;
    }
    const ms = Number((end - start) / 1_000_000n);
    return high === 0 ? ms >= low : ms > low && ms <= high;
  };
}

function numericAttribute(block: Block<"numeric_attribute">): Policy {
  const { key, min_value: min, max_value: max, invert_match: isInverted } = block;
  const fits = (found: AnyValue) =>
    typeof found === "bigint" && (min === 0 || found >= min) && (max === 0 || found <= max);
  return byAttribute({ key, isInverted, fits });
}

function stringAttribute(block: Block<"string_attribute">): Policy {
  const { key, values, enabled_regex_matching: isPattern, invert_match: isInverted } = block;
  const patterns = isPattern ? values.map((one) => compileRegexp(one, { anchored: false })) : [];
  const fitsText = isPattern
    ? (found: string) => patterns.some((pattern) => pattern.test(found))
    : (found: string) => values.includes(found);
  const fits = (found: AnyValue) => typeof found === "string" && found !== "" && fitsText(found);
  return byAttribute({ key, isInverted, fits });
}

function byAttribute(wanted: {
  readonly key: string;
  readonly isInverted: boolean;
  readonly fits: (found: AnyValue) => boolean;
}): Policy {
  const { key, isInverted, fits } = wanted;
  const matches = (attributes: Attributes) => {
    const found = attributes.get(key);
    return found !== undefined && fits(found);
  };
  return (trace) => {
    const isFound =
      trace.resourceSpans.some(({ resource }) => matches(resource.attributes)) ||
      spansOf(trace).some(({ attributes }) => matches(attributes));
    if (isInverted) return isFound ? "inverted-not-sampled" : "inverted-sampled";
    return isFound ? "sampled" : "not-sampled";
  };
}

const HASH_MAX = 2n ** 64n - 1n;

/** FNV-1a of salt and id, against a share of all hashes: the same traces in every agent. */
function probabilistic({
  sampling_percentage: percentage,
  hash_salt: salt,
}: Block<"probabilistic">) {
  const share = BigInt(Math.round(Math.min(percentage, 100) * 1e12));
  const threshold = (HASH_MAX * share) / BigInt(100e12);
  const seed = fnv1a(Buffer.from(salt === "" ? "default-hash-seed" : salt));
  return ({ id }: PendingTrace) => fnv1a(Buffer.from(id, "hex"), seed) <= threshold;
}

function fnv1a(bytes: Uint8Array, seed = 0xcbf29ce484222325n): bigint {
  let hash = seed;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

function traceState({ key, values }: Block<"trace_state">) {
  const wanted = new Set(values.map((value) => `${key}=${value}`));
  return (trace: PendingTrace) =>
    spansOf(trace).some((span) =>
      span.traceState.split(",").some((entry) => wanted.has(entry.trim())),
    );
}

function ottlCondition(block: Block<"ottl_condition">, world: PolicyWorld) {
  const errorMode = ERROR_MODES.find((mode) => mode === block.error_mode)!;
  const lists = (["span", "spanevent"] as const)
    .filter((context) => block[context].length > 0)
    .map((context) =>
      compileList("traces", { context, conditions: block[context], statements: [], errorMode }),
    );
  const running = {
    subject: createSubject(() => world.nowNs()),
    report: world.faults.report.bind(world.faults),
  };
  return ({ resourceSpans }: PendingTrace) => {
    const request = { signal: "traces", tree: { resourceSpans } } as const;
    return lists.some((list) => holdsSomewhere(request, list, running));
  };
}
