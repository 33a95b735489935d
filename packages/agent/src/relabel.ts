/**
 * Prometheus' relabelling: rules that rewrite, keep or drop a label set. Used by `discovery.relabel`, `prometheus.relabel`, `loki.relabel`, the
 * relabel rules of sources and the write relabelling of sinks. Rules are compiled once ({@link compileRules}) and applied many times
 * ({@link relabel}); a rule set is immutable and may be shared.
 */
import { hash } from "node:crypto";
import { compileRegexp, Labels } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { describeError, FinchError, unreachable } from "@finch/runtime";
import { expandTemplate, parseTemplate } from "./relabel-template.ts";
import type { Template } from "./relabel-template.ts";

export const RELABEL_ACTIONS = [
  "replace",
  "keep",
  "drop",
  "keepequal",
  "dropequal",
  "hashmod",
  "labelmap",
  "labeldrop",
  "labelkeep",
  "lowercase",
  "uppercase",
] as const;

export type RelabelAction = (typeof RELABEL_ACTIONS)[number];

/** A rule as it is written; what is absent has Prometheus' default. */
export interface RelabelConfig {
  readonly action?: string | undefined;
  readonly sourceLabels?: readonly string[] | undefined;
  readonly separator?: string | undefined;
  readonly regex?: string | undefined;
  readonly modulus?: number | undefined;
  readonly targetLabel?: string | undefined;
  readonly replacement?: string | undefined;
}

/** A compiled rule. Make it with {@link compileRules}. */
export interface RelabelRule {
  readonly action: RelabelAction;
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  readonly regex: string;
  readonly modulus: bigint;
  readonly targetLabel: string;
  readonly replacement: string;
  readonly pattern: CompiledRegexp;
  readonly targetTemplate: Template;
  readonly replacementTemplate: Template;
  /** Which names a `replace` may make. */
  readonly isName: (name: string) => boolean;
}

/**
 * Which label names rules may make: `legacy` letters, digits and `_`, as Alloy's components and Loki's streams want it; `utf8` any text that is
 * not empty, Prometheus 3's default.
 */
export type NameScheme = "legacy" | "utf8";

const DEFAULT_REGEX = "(.*)";
const DEFAULT_SEPARATOR = ";";
const DEFAULT_REPLACEMENT = "$1";

const LEGACY_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** A legacy name in which `$1` or `${name}` may stand for any part; starts with a letter, `_` or a reference. */
const LEGACY_TARGET = /^(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))(?:\w|\$(?:\{\w+\}|\w+))*$/;

function isName(scheme: NameScheme): (name: string) => boolean {
  return scheme === "legacy"
    ? (name) => LEGACY_NAME.test(name)
    : (name) => name !== "" && name.isWellFormed();
}

/** Checks and compiles rules; the first one that is refused throws a FinchError `agent/bad-relabel-rule`. */
export function compileRules(
  configs: readonly RelabelConfig[],
  options: { readonly names: NameScheme },
): readonly RelabelRule[] {
  return configs.map((config) => compileRule(config, options.names));
}

/** Why a rule is refused, or undefined when it is fine. */
export function relabelFault(
  config: RelabelConfig,
  options: { readonly names: NameScheme },
): string | undefined {
  try {
    compileRule(config, options.names);
    return undefined;
  } catch (error) {
    // A bad expression's cause says the same again, of the expression as it is anchored.
    return error instanceof FinchError ? error.message : describeError(error);
  }
}

function compileRule(config: RelabelConfig, names: NameScheme): RelabelRule {
  const { action = "replace", targetLabel = "" } = config;
  if (!isAction(action))
    throw refused(
      action === ""
        ? "relabel action cannot be empty"
        : `unknown relabel action ${JSON.stringify(action)}`,
    );
  const fault =
    faultOfTarget({ ...config, action, targetLabel, names }) ??
    faultOfOthers({ ...config, action });
  if (fault !== undefined) throw refused(fault);
  const {
    sourceLabels = [],
    separator = DEFAULT_SEPARATOR,
    regex = DEFAULT_REGEX,
    replacement = DEFAULT_REPLACEMENT,
  } = config;
  const pattern = compilePattern(regex);
  return {
    action,
    sourceLabels,
    separator,
    regex,
    modulus: BigInt(config.modulus ?? 0),
    targetLabel,
    replacement,
    pattern,
    targetTemplate: parseTemplate(targetLabel),
    replacementTemplate: parseTemplate(replacement),
    isName: isName(names),
  };
}

function isAction(action: string): action is RelabelAction {
  return (RELABEL_ACTIONS as readonly string[]).includes(action);
}

function refused(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "agent/bad-relabel-rule", message, { cause });
}

function compilePattern(regex: string): CompiledRegexp {
  try {
    return compileRegexp(regex, { anchored: true });
  } catch (error) {
    const reason = describeError(error);
    throw refused(
      reason.includes("error parsing regexp") ? reason : `error parsing regexp: ${reason}`,
    );
  }
}

const NEEDS_TARGET: ReadonlySet<RelabelAction> = new Set([
  "replace",
  "hashmod",
  "lowercase",
  "uppercase",
  "keepequal",
  "dropequal",
]);
const REFUSES_REPLACEMENT: ReadonlySet<RelabelAction> = new Set([
  "lowercase",
  "uppercase",
  "keepequal",
  "dropequal",
]);

function faultOfTarget(rule: {
  readonly action: RelabelAction;
  readonly targetLabel: string;
  readonly modulus?: number | undefined;
  readonly names: NameScheme;
}): string | undefined {
  const { action, targetLabel, modulus = 0, names } = rule;
  if (action === "hashmod" && !(Number.isInteger(modulus) && modulus > 0))
    return "relabel configuration for hashmod requires non-zero modulus";
  if (!NEEDS_TARGET.has(action)) return undefined;
  if (targetLabel === "")
    return `relabel configuration for ${action} action requires 'target_label' value`;
  const isTemplate = action === "replace" && names === "legacy" && targetLabel.includes("$");
  const valid = isTemplate ? LEGACY_TARGET.test(targetLabel) : isName(names)(targetLabel);
  return valid
    ? undefined
    : `${JSON.stringify(targetLabel)} is invalid 'target_label' for ${action} action`;
}

function faultOfOthers(
  rule: RelabelConfig & { readonly action: RelabelAction },
): string | undefined {
  const { action, sourceLabels, modulus = 0, targetLabel = "" } = rule;
  const {
    regex = DEFAULT_REGEX,
    separator = DEFAULT_SEPARATOR,
    replacement = DEFAULT_REPLACEMENT,
  } = rule;
  if (REFUSES_REPLACEMENT.has(action) && replacement !== DEFAULT_REPLACEMENT)
    return `'replacement' can not be set for ${action} action`;
  const plain =
    modulus === 0 && separator === DEFAULT_SEPARATOR && replacement === DEFAULT_REPLACEMENT;
  if ((action === "keepequal" || action === "dropequal") && !(plain && regex === DEFAULT_REGEX)) {
    return `${action} action requires only 'source_labels' and 'target_label', and no other fields`;
  }
  if (
    (action === "labeldrop" || action === "labelkeep") &&
    !(plain && sourceLabels === undefined && targetLabel === "")
  ) {
    return `${action} action requires only 'regex', and no other fields`;
  }
  if (action === "labelmap" && (replacement === "" || !replacement.isWellFormed())) {
    return `${JSON.stringify(replacement)} is invalid 'replacement' for ${action} action`;
  }
  return undefined;
}

/** The label set after all rules, or undefined when a rule drops it. Unchanged labels come back as the same object. */
export function relabel(labels: Labels, rules: readonly RelabelRule[]): Labels | undefined {
  const draft = new Draft(labels);
  for (const rule of rules) if (!applyRule(draft, rule)) return undefined;
  return draft.finish();
}

/** The index of the rule that drops the label set; the last one when none does. */
export function droppingRule(labels: Labels, rules: readonly RelabelRule[]): number {
  const draft = new Draft(labels);
  const index = rules.findIndex((rule) => !applyRule(draft, rule));
  return index < 0 ? rules.length - 1 : index;
}

/** {@link relabel} with its rules bound, for those that relabel one label set after the other. */
export function createRelabeler(
  rules: readonly RelabelRule[],
): (labels: Labels) => Labels | undefined {
  return rules.length === 0 ? (labels) => labels : (labels) => relabel(labels, rules);
}

/** Applies one rule; false when the label set is dropped. */
function applyRule(draft: Draft, rule: RelabelRule): boolean {
  switch (rule.action) {
    case "keep":
      return rule.pattern.test(joinSources(draft, rule));
    case "drop":
      return !rule.pattern.test(joinSources(draft, rule));
    case "keepequal":
      return draft.get(rule.targetLabel) === joinSources(draft, rule);
    case "dropequal":
      return draft.get(rule.targetLabel) !== joinSources(draft, rule);
    case "replace":
      replace(draft, rule);
      return true;
    case "lowercase":
      draft.set(rule.targetLabel, joinSources(draft, rule).toLowerCase());
      return true;
    case "uppercase":
      draft.set(rule.targetLabel, joinSources(draft, rule).toUpperCase());
      return true;
    case "hashmod":
      draft.set(rule.targetLabel, hashModulo(joinSources(draft, rule), rule.modulus));
      return true;
    case "labelmap":
      for (const [name, value] of draft.entries()) {
        if (rule.pattern.test(name))
          draft.set(rule.pattern.replaceAll(name, rule.replacement), value);
      }
      return true;
    case "labeldrop":
      for (const [name] of draft.entries()) if (rule.pattern.test(name)) draft.set(name, "");
      return true;
    case "labelkeep":
      for (const [name] of draft.entries()) if (!rule.pattern.test(name)) draft.set(name, "");
      return true;
    default:
      return unreachable(rule.action);
  }
}

function joinSources(draft: Draft, rule: RelabelRule): string {
  const { sourceLabels, separator } = rule;
  if (sourceLabels.length === 1) return draft.get(sourceLabels[0]!);
  let joined = "";
  for (let i = 0; i < sourceLabels.length; i++)
    joined += (i > 0 ? separator : "") + draft.get(sourceLabels[i]!);
  return joined;
}

function replace(draft: Draft, rule: RelabelRule): void {
  const source = joinSources(draft, rule);
  if (rule.regex === DEFAULT_REGEX) {
    // The default regex matches everything and captures it; two of three rules in real files need no engine for it.
    replaceWith(draft, rule, [source, source], NO_NAMES);
    return;
  }
  if (!rule.targetTemplate.hasReferences && !rule.replacementTemplate.hasReferences) {
    if (rule.pattern.test(source)) replaceWith(draft, rule, NO_GROUPS, NO_NAMES);
    return;
  }
  const groups = rule.pattern.exec(source);
  if (groups !== undefined) replaceWith(draft, rule, groups, rule.pattern.groupNames);
}

const NO_NAMES: readonly string[] = [];
const NO_GROUPS: readonly string[] = [];

function replaceWith(
  draft: Draft,
  rule: RelabelRule,
  groups: readonly (string | undefined)[],
  groupNames: readonly string[],
): void {
  const target = expandTemplate(rule.targetTemplate, groups, groupNames);
  if (rule.isName(target))
    draft.set(target, expandTemplate(rule.replacementTemplate, groups, groupNames));
}

/** The last eight bytes of the MD5 of the text, big-endian, modulo `modulus`. */
function hashModulo(text: string, modulus: bigint): string {
  const digest = hash("md5", text, "buffer");
  return String(digest.readBigUInt64BE(8) % modulus);
}

/** A label set being rewritten. Order matters to `labelmap`: labels as they were, sorted, then those set by rules in the order they came. */
class Draft {
  readonly #original: Labels;
  #values: Map<string, string> | undefined;
  readonly #added = new Set<string>();

  constructor(original: Labels) {
    this.#original = original;
  }

  get(name: string): string {
    return this.#values === undefined ? this.#original.get(name) : (this.#values.get(name) ?? "");
  }

  /** Sets a label; an empty value removes it. */
  set(name: string, value: string): void {
    if (this.get(name) === value) return;
    const values = (this.#values ??= new Map(this.#original));
    if (value === "") {
      values.delete(name);
      this.#added.delete(name);
      return;
    }
    if (!this.#added.has(name)) {
      values.delete(name);
      this.#added.add(name);
    }
    values.set(name, value);
  }

  /** A copy, so that it can be walked while labels are set. */
  entries(): readonly (readonly [string, string])[] {
    return [...(this.#values ?? this.#original)];
  }

  finish(): Labels {
    return this.#values === undefined ? this.#original : Labels.fromPairs([...this.#values].flat());
  }
}
