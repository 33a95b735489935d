/** PromQL queries with placeholders, `{{.name}}`, and all that they stand for: the cross product of the values of each. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

export interface QueryTemplate {
  readonly query: string;
  readonly variant_args?: readonly string[];
  /** Every server must refuse it. */
  readonly should_fail?: boolean;
}

export interface ComplianceQuery {
  readonly query: string;
  readonly shouldFail: boolean;
}

const ARITHMETIC = ["+", "-", "*", "/", "%", "^"];
const COMPARISONS = ["==", "!=", "<", ">", "<=", ">="];
const AGGREGATIONS = ["sum", "avg", "max", "min", "count", "stddev", "stdvar"];
const FACTORS = ["0.1", "0.5", "0.8"];

const VALUES: Readonly<Record<string, readonly string[]>> = {
  range: ["1s", "15s", "1m", "5m", "15m", "1h"],
  offset: ["1m", "5m", "10m"],
  simpleAggrOp: AGGREGATIONS,
  simpleTimeAggrOp: [...AGGREGATIONS, "absent", "last"],
  topBottomOp: ["topk", "bottomk"],
  quantile: ["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"],
  arithBinOp: ARITHMETIC,
  compBinOp: COMPARISONS,
  binOp: [...ARITHMETIC, ...COMPARISONS],
  simpleMathFunc: ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"],
  extrapolatedRateFunc: ["delta", "rate", "increase"],
  clampFunc: ["clamp_min", "clamp_max"],
  instantRateFunc: ["idelta", "irate"],
  dateFunc: ["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"],
  smoothingFactor: FACTORS,
  trendFactor: FACTORS,
  angleFunc: [
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "deg",
    "rad",
    "sgn",
  ],
  setOp: ["and", "or", "unless"],
};

export function readQueryFile(path: string): readonly QueryTemplate[] {
  const { test_cases } = parse(readFileSync(path, "utf8")) as {
    test_cases: readonly QueryTemplate[];
  };
  return test_cases;
}

/** Each query once, in order. */
export function expandQueries(templates: readonly QueryTemplate[]): readonly ComplianceQuery[] {
  const queries = new Map<string, ComplianceQuery>();
  for (const { query, variant_args = [], should_fail = false } of templates) {
    for (const text of variants(query, variant_args))
      queries.set(text, { query: text, shouldFail: should_fail });
  }
  return [...queries.values()];
}

function variants(query: string, [name, ...others]: readonly string[]): readonly string[] {
  if (name === undefined) return [query];
  const values = VALUES[name];
  if (values === undefined) throw new RangeError(`no values are known for the placeholder ${name}`);
  return values.flatMap((value) => variants(query.replaceAll(`{{.${name}}}`, value), others));
}
