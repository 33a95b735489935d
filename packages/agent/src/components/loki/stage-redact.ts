/** Stages that take away what must not be stored: `luhn` (card numbers), `truncate` (what is too long). */
import { compileRegexp, type CompiledRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { block, maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { cutBytes, eachEntry, sourceText, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const LUHN_STAGE = {
  source: maybe("string", "Extracted value to change instead of the line."),
  min_length: optional("number", 13, "Digits that a number has at least.", { min: 1 }),
  replacement: optional("string", "**REDACTED**", "What stands there instead."),
  delimiters: optional("string", "", "Characters that may stand between the digits of a number."),
  skip_regex: optional("string", "", "RE2 pattern; what it matches stays as it is."),
} as const;

/** Replaces runs of digits whose check digit by Luhn is right. */
export function luhnStage(values: ValuesOf<typeof LUHN_STAGE>): Stage {
  const between = values.delimiters.replaceAll(/[\\\]^-]/g, String.raw`\$&`);
  const run = between === "" ? /\d+/g : new RegExp(String.raw`\d(?:[${between}]*\d)*`, "g");
  const redactAll = (text: string) =>
    text.replace(run, (number) => {
      const digits = number.replaceAll(/\D/g, "");
      return digits.length >= values.min_length && isLuhn(digits) ? values.replacement : number;
    });
  const { skip_regex: skip } = values;
  const redact =
    skip === "" ? redactAll : outside(compileRegexp(skip, { anchored: false }), redactAll);
  return eachEntry((entry) => {
    const text = sourceText(entry, values.source);
    if (text === undefined) return;
    if (values.source === undefined || values.source === "") entry.line = redact(text);
    else entry.extracted.set(values.source, redact(text));
  });
}

/** Changes what stands between the matches of a pattern. */
function outside(
  pattern: CompiledRegexp,
  change: (text: string) => string,
): (text: string) => string {
  return (text) => {
    let changed = "";
    let at = 0;
    for (let from = 0; from <= text.length;) {
      const [start = -1, end = -1] = pattern.bounds(text, from) ?? [];
      if (start === -1) break;
      // An empty match keeps nothing, and would be found for ever.
      from = Math.max(end, from + 1);
      if (end === start) continue;
      changed += change(text.slice(at, start)) + text.slice(start, end);
      at = end;
    }
    return changed + change(text.slice(at));
  };
}

function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = i % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

const TRUNCATE_RULE = {
  limit: required("bytes", "Longest text in bytes, the suffix included."),
  source_type: oneOf(["line", "label", "structured_metadata", "extracted"], "line", "What to cut."),
  sources: optional("list(string)", [], "Names of what to cut; all when there are none."),
  suffix: optional("string", "", "Stands at the end of what was cut."),
} as const;

export const TRUNCATE_STAGE = {
  rule: block(TRUNCATE_RULE, { repeat: "many", doc: "What to cut, and where." }),
} as const;

type TruncateRule = ValuesOf<typeof TRUNCATE_STAGE>["rule"][number];

export function truncateStage(
  values: ValuesOf<typeof TRUNCATE_STAGE>,
  context: StageContext,
): Stage {
  if (values.rule.length === 0) throw badStage("give at least one rule");
  for (const { limit, suffix, source_type: type, sources } of values.rule) {
    if (limit <= Buffer.byteLength(suffix)) throw badStage("limit must be larger than the suffix");
    if (type === "line" && sources.length > 0) throw badStage("the line takes no sources");
  }
  const count = (field: string) =>
    context.metrics
      .counter("loki_process_truncated_fields_total", "Texts that stage.truncate cut.", { field })
      .add(1);
  return eachEntry((entry) => {
    for (const rule of values.rule) truncate(entry, rule, count);
  });
}

function truncate(entry: PipelineEntry, rule: TruncateRule, count: (field: string) => void): void {
  const { source_type: type, limit, suffix } = rule;
  const cut = (text: string): string | undefined => {
    if (Buffer.byteLength(text) <= limit) return undefined;
    count(type);
    return cutBytes(text, limit - Buffer.byteLength(suffix)) + suffix;
  };
  if (type === "line") {
    entry.line = cut(entry.line) ?? entry.line;
    return;
  }
  const fields =
    type === "label" ? entry.labels : type === "extracted" ? entry.extracted : entry.metadata;
  for (const name of rule.sources.length > 0 ? rule.sources : [...fields].map(([name]) => name)) {
    const text = textOf(fields.get(name));
    const shorter = text === undefined ? undefined : cut(text);
    if (shorter === undefined) continue;
    if (type === "label") entry.setLabel(name, shorter);
    else if (type === "extracted") entry.extracted.set(name, shorter);
    else entry.setMetadata(name, shorter);
  }
}

function badStage(what: string): FinchError {
  return new FinchError("invalid", "agent/bad-stage", `stage.truncate: ${what}`);
}
