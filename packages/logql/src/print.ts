/** LogQL trees as text. `parseQuery(formatQuery(expr))` is the same tree, and a printed query prints as itself. */
import { formatMatcher } from "@finch/model";
import { PRECEDENCE } from "./ast.ts";
import type {
  BinaryExpr,
  Expr,
  Grouping,
  LabelExtraction,
  LabelFilterExpr,
  LabelSelection,
  LogExpr,
  MetricExpr,
  RangeAggregationExpr,
  StageExpr,
} from "./ast.ts";
import { quote } from "@finch/go-text";

/** One line, canonical spacing. */
export function formatQuery(expr: Expr): string {
  switch (expr.kind) {
    case "log":
      return formatLog(expr);
    case "literal":
      return formatNumber(expr.value);
    case "vector":
      return `vector(${formatNumber(expr.value)})`;
    case "label-replace": {
      const texts = [expr.target, expr.replacement, expr.source, expr.pattern].map(quote);
      return `label_replace(${formatQuery(expr.operand)}, ${texts.join(", ")})`;
    }
    case "vector-aggregation": {
      const parameter = expr.parameter === undefined ? "" : `${formatNumber(expr.parameter)}, `;
      const body = `(${parameter}${formatQuery(expr.operand)})`;
      return `${expr.operator}${formatGrouping(expr.grouping)}${body}`;
    }
    case "range-aggregation":
      return formatRangeAggregation(expr);
    case "binary":
      return formatBinary(expr);
  }
}

function formatNumber(value: number): string {
  return String(value);
}

function formatGrouping(grouping: Grouping | undefined): string {
  if (grouping === undefined) return "";
  return ` ${grouping.without ? "without" : "by"} (${grouping.labels.join(", ")}) `;
}

function formatLog(expr: LogExpr): string {
  const selector = `{${expr.matchers.map(formatMatcher).join(", ")}}`;
  return [selector, ...expr.stages.map(formatStage)].join(" ");
}

function formatRangeAggregation(expr: RangeAggregationExpr): string {
  const parameter = expr.parameter === undefined ? "" : `${formatNumber(expr.parameter)}, `;
  let body = formatLog(expr.log);
  if (expr.unwrap !== undefined) {
    const { label, conversion, filters } = expr.unwrap;
    body += ` | unwrap ${conversion === "none" ? label : `${conversion}(${label})`}`;
    for (const filter of filters) body += ` | ${formatLabelFilter(filter)}`;
  }
  body += ` [${formatDuration(expr.rangeNs)}]`;
  if (expr.offsetNs !== 0n) body += ` offset ${formatDuration(expr.offsetNs)}`;
  return `${expr.operator}(${parameter}${body})${formatGrouping(expr.grouping).trimEnd()}`;
}

const DURATION_UNITS: readonly (readonly [string, bigint])[] = [
  ["h", 3_600_000_000_000n],
  ["m", 60_000_000_000n],
  ["s", 1_000_000_000n],
  ["ms", 1_000_000n],
  ["us", 1000n],
  ["ns", 1n],
];

/** `1h30m`: whole units from the largest down. */
export function formatDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatDuration(-ns)}`;
  let rest = ns;
  let text = "";
  for (const [unit, size] of DURATION_UNITS) {
    if (rest >= size) {
      text += `${rest / size}${unit}`;
      rest %= size;
    }
  }
  return text === "" ? "0s" : text;
}

function formatBinary(expr: BinaryExpr): string {
  const strength = PRECEDENCE[expr.operator];
  const rightFirst = expr.operator === "^";
  const wrap = (side: MetricExpr, isLeft: boolean): string => {
    const text = formatQuery(side);
    if (side.kind !== "binary") return text;
    const own = PRECEDENCE[side.operator];
    return own > strength || (own === strength && isLeft !== rightFirst) ? text : `(${text})`;
  };
  let operator: string = expr.operator;
  if (expr.returnBool) operator += " bool";
  if (expr.matching !== undefined) {
    const { on, labels, group, include } = expr.matching;
    operator += ` ${on ? "on" : "ignoring"} (${labels.join(", ")})`;
    if (group !== "none") operator += ` group_${group} (${include.join(", ")})`;
  }
  return `${wrap(expr.left, true)} ${operator} ${wrap(expr.right, false)}`;
}

function formatStage(stage: StageExpr): string {
  switch (stage.kind) {
    case "line-filter": {
      const operands = stage.operands.map(({ text, ip }) =>
        ip ? `ip(${quote(text)})` : quote(text),
      );
      return `${stage.operator} ${operands.join(" or ")}`;
    }
    case "json":
      return `| json${formatExtractions(stage.extractions)}`;
    case "logfmt": {
      const flags = `${stage.strict ? " --strict" : ""}${stage.keepEmpty ? " --keep-empty" : ""}`;
      return `| logfmt${flags}${formatExtractions(stage.extractions)}`;
    }
    case "regexp":
    case "pattern":
      return `| ${stage.kind} ${quote(stage.expression)}`;
    case "unpack":
    case "decolorize":
      return `| ${stage.kind}`;
    case "label-filter":
      return `| ${formatLabelFilter(stage.filter)}`;
    case "line-format":
      return `| line_format ${quote(stage.template)}`;
    case "label-format": {
      const formats = stage.formats.map(
        ({ label, rename, value }) => `${label}=${rename ? value : quote(value)}`,
      );
      return `| label_format ${formats.join(", ")}`;
    }
    case "drop":
    case "keep":
      return `| ${stage.kind} ${stage.labels.map(formatSelection).join(", ")}`;
  }
}

function formatExtractions(extractions: readonly LabelExtraction[]): string {
  const parts = extractions.map(({ label, expression }) => `${label}=${quote(expression)}`);
  return parts.length === 0 ? "" : ` ${parts.join(", ")}`;
}

function formatSelection({ name, matcher }: LabelSelection): string {
  return matcher === undefined ? name : formatMatcher(matcher);
}

function formatLabelFilter(filter: LabelFilterExpr): string {
  switch (filter.kind) {
    case "string":
      return formatMatcher(filter.matcher);
    case "ip":
      return `${filter.name}${filter.negated ? "!=" : "="}ip(${quote(filter.pattern)})`;
    case "and":
    case "or": {
      const sides = [filter.left, filter.right].map((side, index) => {
        const text = formatLabelFilter(side);
        const joined = side.kind === "and" || side.kind === "or";
        const bare =
          !joined ||
          (index === 0 && side.kind === filter.kind) ||
          (filter.kind === "or" && side.kind === "and");
        return bare ? text : `(${text})`;
      });
      return sides.join(` ${filter.kind} `);
    }
    case "number":
    case "duration":
    case "bytes":
      return `${filter.name}${filter.operator}${filter.literal}`;
  }
}
