/** The grammar of metric queries: aggregations over ranges and vectors, binary operations, and what may stand in parentheses. */
import { compileRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { PRECEDENCE, RANGE_OPERATORS, VECTOR_OPERATORS } from "./ast.ts";
import type {
  BinaryOperator,
  Expr,
  Grouping,
  LabelFilterExpr,
  LogExpr,
  MetricExpr,
  RangeAggregationExpr,
  RangeOperator,
  StageExpr,
  UnwrapConversion,
  UnwrapExpr,
  VectorMatching,
  VectorOperator,
} from "./ast.ts";
import { NOWHERE, parseFault } from "./errors.ts";
import type { Position } from "./errors.ts";
import { describeBadRegexp } from "./matcher-parse.ts";
import { parseLabelFilter, parseStages } from "./parser-pipeline.ts";
import type { TokenStream } from "./token-stream.ts";

type LogParser = (tokens: TokenStream) => LogExpr;

/** A log or metric expression. Log queries come in by `parseLog`, so that the two halves of the grammar need not know each other. */
export function parseMetric(tokens: TokenStream, parseLog: LogParser): Expr {
  return parseBinary(tokens, parseLog, 1);
}

function parseBinary(tokens: TokenStream, parseLog: LogParser, minimum: number): Expr {
  let left = parsePrimary(tokens, parseLog);
  for (;;) {
    const { word, at } = tokens.current;
    const operator = word as BinaryOperator;
    const precedence = Object.hasOwn(PRECEDENCE, word) ? PRECEDENCE[operator] : undefined;
    if (precedence === undefined || precedence < minimum) return left;
    tokens.next();
    tokens.countOperator();
    const { returnBool, matching } = parseModifiers(tokens);
    const right = tokens.nested(() =>
      parseBinary(tokens, parseLog, operator === "^" ? precedence : precedence + 1),
    );
    left = makeBinary(left, right, { operator, at, returnBool, matching });
  }
}

interface BinaryParts {
  readonly operator: BinaryOperator;
  readonly at: Position;
  readonly returnBool: boolean;
  readonly matching: VectorMatching | undefined;
}

function makeBinary(left: Expr, right: Expr, parts: BinaryParts): MetricExpr {
  const { operator } = parts;
  for (const [side, expr] of [
    ["left", left],
    ["right", right],
  ] as const) {
    if (expr.kind === "log") {
      throw parseFault(
        `unexpected type for ${side} leg of binary operation (${operator}): log query`,
      );
    }
    const isSet = PRECEDENCE[operator] <= 2;
    if (isSet && expr.kind === "literal") {
      throw parseFault(
        `unexpected literal for ${side} leg of logical/set binary operation (${operator}): ${expr.value.toFixed(6)}`,
      );
    }
  }
  return { kind: "binary", left: left as MetricExpr, right: right as MetricExpr, ...parts };
}

function parseModifiers(tokens: TokenStream): {
  readonly returnBool: boolean;
  readonly matching: VectorMatching | undefined;
} {
  const returnBool = tokens.acceptWord("bool");
  const on = tokens.isWord("on");
  if (!on && !tokens.isWord("ignoring")) return { returnBool, matching: undefined };
  tokens.next();
  const labels = parseLabelList(tokens);
  const group = tokens.acceptWord("group_left")
    ? "left"
    : tokens.acceptWord("group_right")
      ? "right"
      : "none";
  // `group_left (count_over_time(…))` has no list: a parenthesis that holds names only is one.
  const include = group !== "none" && startsLabelList(tokens) ? parseLabelList(tokens) : [];
  return { returnBool, matching: { on, labels, group, include } };
}

function startsLabelList(tokens: TokenStream): boolean {
  if (!tokens.is("(")) return false;
  if (tokens.peek().word === ")") return true;
  const after = tokens.peek(2).word;
  return tokens.peek().kind === "identifier" && (after === "," || after === ")");
}

function parseLabelList(tokens: TokenStream): readonly string[] {
  tokens.expect("(");
  const labels: string[] = [];
  if (tokens.accept(")")) return labels;
  for (;;) {
    labels.push(tokens.expectKind("identifier").text);
    if (tokens.accept(")")) return labels;
    tokens.expect(",", ")");
  }
}

function parsePrimary(tokens: TokenStream, parseLog: LogParser): Expr {
  const token = tokens.current;
  if (token.kind === "symbol") {
    if (token.text === "{") return parseLog(tokens);
    if (token.text === "(") {
      tokens.next();
      const inner = tokens.nested(() => parseBinary(tokens, parseLog, 1));
      tokens.expect(")");
      return inner;
    }
    if (token.text === "+" || token.text === "-") {
      tokens.next();
      const { value } = tokens.expectKind("number");
      return { kind: "literal", at: token.at, value: token.text === "-" ? -value : value };
    }
  }
  if (token.kind === "number") {
    tokens.next();
    return { kind: "literal", at: token.at, value: token.value };
  }
  if (token.kind === "identifier") return parseFunction(tokens, parseLog);
  throw tokens.unexpected();
}

function parseFunction(tokens: TokenStream, parseLog: LogParser): MetricExpr {
  const { word, at } = tokens.current;
  const follows = tokens.peek().word;
  if ((RANGE_OPERATORS as readonly string[]).includes(word) && follows === "(") {
    return parseRangeAggregation(tokens, parseLog);
  }
  const called = follows === "(" || follows === "by" || follows === "without";
  if ((VECTOR_OPERATORS as readonly string[]).includes(word) && called) {
    return parseVectorAggregation(tokens, parseLog);
  }
  if (word === "vector" && follows === "(") {
    tokens.next();
    tokens.next();
    const { value } = tokens.expectKind("number");
    tokens.expect(")");
    return { kind: "vector", at, value };
  }
  if (word === "label_replace" && follows === "(") return parseLabelReplace(tokens, parseLog);
  throw tokens.unexpected();
}

function parseLabelReplace(tokens: TokenStream, parseLog: LogParser): MetricExpr {
  const { at } = tokens.next();
  tokens.expect("(");
  const operand = parseMetricOperand(tokens, parseLog);
  const texts: string[] = [];
  for (let i = 0; i < 4; i++) {
    tokens.expect(",");
    texts.push(tokens.expectKind("string").text);
  }
  tokens.expect(")");
  const [target, replacement, source, pattern] = texts as [string, string, string, string];
  checkPattern(pattern);
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(target)) {
    throw parseFault(`invalid destination label name in label_replace(): ${target}`, at);
  }
  return { kind: "label-replace", at, operand, target, replacement, source, pattern };
}

function checkPattern(pattern: string): void {
  try {
    compileRegexp(pattern, { anchored: true });
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    throw parseFault(`invalid regex in label_replace: ${describeBadRegexp(error)}`, NOWHERE);
  }
}

/** A log query in its place is only seen to be none by what follows it: a range, or the end of the call. */
function parseMetricOperand(tokens: TokenStream, parseLog: LogParser): MetricExpr {
  const operand = tokens.nested(() => parseBinary(tokens, parseLog, 1));
  if (operand.kind === "log") throw tokens.unexpected();
  return operand;
}

function parseGrouping(tokens: TokenStream): Grouping | undefined {
  const without = tokens.isWord("without");
  if (!without && !tokens.isWord("by")) return undefined;
  tokens.next();
  return { without, labels: parseLabelList(tokens) };
}

const TAKES_K = new Set<VectorOperator>(["topk", "bottomk", "approx_topk"]);

function parseVectorAggregation(tokens: TokenStream, parseLog: LogParser): MetricExpr {
  const { word, at } = tokens.next();
  const operator = word as VectorOperator;
  const before = parseGrouping(tokens);
  tokens.expect("(");
  let parameter: number | undefined;
  let written = "";
  if (tokens.current.kind === "number" && tokens.peek().word === ",") {
    const number = tokens.next();
    parameter = number.value;
    written = number.text;
    tokens.next();
  }
  const operand = parseMetricOperand(tokens, parseLog);
  tokens.expect(")");
  const grouping = before ?? parseGrouping(tokens);
  if (TAKES_K.has(operator)) {
    if (parameter === undefined) throw parseFault(`parameter required for operation ${operator}`);
    if (!/^\d+$/.test(written)) throw parseFault(`invalid parameter ${operator}(${written},`);
    if (parameter <= 0) {
      throw parseFault(`invalid parameter (must be greater than 0) ${operator}(${written}`);
    }
  } else if (parameter !== undefined) {
    throw parseFault(`unsupported parameter for operation ${operator}(${written},`);
  }
  checkGrouping(operator, grouping);
  return { kind: "vector-aggregation", at, operator, parameter, grouping, operand };
}

function checkGrouping(operator: VectorOperator, grouping: Grouping | undefined): void {
  if (operator === "approx_topk" && grouping !== undefined) {
    throw parseFault(`grouping not allowed for ${operator} aggregation`);
  }
  const isSort = operator === "sort" || operator === "sort_desc";
  if (isSort && grouping !== undefined && grouping.labels.length > 0) {
    throw parseFault("sort and sort_desc doesn't allow grouping by ");
  }
}

const GROUPED = new Set<RangeOperator>([
  "avg_over_time",
  "min_over_time",
  "max_over_time",
  "stddev_over_time",
  "stdvar_over_time",
  "quantile_over_time",
  "first_over_time",
  "last_over_time",
]);
const LINES_ONLY = new Set<RangeOperator>(["count_over_time", "bytes_over_time", "bytes_rate"]);
const EITHER = new Set<RangeOperator>(["rate", "absent_over_time"]);

function parseRangeAggregation(tokens: TokenStream, parseLog: LogParser): RangeAggregationExpr {
  const { word, at } = tokens.next();
  const operator = word as RangeOperator;
  tokens.expect("(");
  let parameter: number | undefined;
  let written = "";
  if (tokens.current.kind === "number") {
    written = tokens.current.text;
    parameter = tokens.next().value;
    tokens.expect(",");
  } else if (!tokens.is("{") && !tokens.is("(")) throw tokens.unexpected("NUMBER", "{", "(");
  const range = parseLogRange(tokens, parseLog);
  if (range.rangeNs === undefined) throw tokens.unexpected("RANGE");
  tokens.expect(")");
  const grouping = parseGrouping(tokens);
  if (operator === "quantile_over_time" && parameter === undefined) {
    throw parseFault(`parameter required for operation ${operator}`);
  }
  if (operator !== "quantile_over_time" && parameter !== undefined) {
    throw parseFault(`parameter ${written} not supported for operation ${operator}`);
  }
  if (range.unwrap === undefined && !LINES_ONLY.has(operator) && !EITHER.has(operator)) {
    throw parseFault(`invalid aggregation ${operator} without unwrap`);
  }
  if (range.unwrap !== undefined && LINES_ONLY.has(operator)) {
    throw parseFault(`invalid aggregation ${operator} with unwrap`);
  }
  if (grouping !== undefined && !GROUPED.has(operator)) {
    throw parseFault(`grouping not allowed for ${operator} aggregation`);
  }
  return {
    kind: "range-aggregation",
    at,
    operator,
    parameter,
    log: range.log,
    unwrap: range.unwrap,
    rangeNs: range.rangeNs,
    offsetNs: range.offsetNs,
    grouping,
  };
}

interface LogRange {
  log: LogExpr;
  unwrap: UnwrapExpr | undefined;
  rangeNs: bigint | undefined;
  offsetNs: bigint;
}

/** Selector, pipeline, unwrap and range, in any of the orders the language allows, with parentheses anywhere around a prefix of them. */
function parseLogRange(tokens: TokenStream, parseLog: LogParser): LogRange {
  let range: LogRange;
  if (tokens.accept("(")) {
    range = tokens.nested(() => parseLogRange(tokens, parseLog));
    tokens.expect(")");
  } else {
    range = { log: parseLog(tokens), unwrap: undefined, rangeNs: undefined, offsetNs: 0n };
  }
  if (range.unwrap === undefined) range.unwrap = parseUnwrap(tokens);
  if (tokens.current.kind !== "range") return range;
  if (range.rangeNs !== undefined) throw tokens.unexpected(")");
  range.rangeNs = BigInt(tokens.next().value);
  if (range.rangeNs <= 0n) throw parseFault("a range must be longer than zero", tokens.current.at);
  if (tokens.acceptWord("offset")) range.offsetNs = parseOffset(tokens);
  const later: readonly StageExpr[] = range.unwrap === undefined ? parseStages(tokens) : [];
  range.log = { ...range.log, stages: [...range.log.stages, ...later] };
  if (range.unwrap === undefined) range.unwrap = parseUnwrap(tokens);
  return range;
}

function parseOffset(tokens: TokenStream): bigint {
  const negative = tokens.accept("-");
  if (tokens.current.kind === "number" && tokens.current.value === 0) {
    tokens.next();
    return 0n;
  }
  const offset = BigInt(tokens.expectKind("duration").value);
  return negative ? -offset : offset;
}

const CONVERSIONS = new Set<string>(["bytes", "duration", "duration_seconds"]);

function parseUnwrap(tokens: TokenStream): UnwrapExpr | undefined {
  if (!tokens.is("|") || tokens.peek().word !== "unwrap") return undefined;
  tokens.next();
  tokens.next();
  const name = tokens.expectKind("identifier").text;
  let unwrapped: { label: string; conversion: UnwrapConversion };
  const conversion = name.toLowerCase();
  if (tokens.is("(") && CONVERSIONS.has(conversion)) {
    tokens.next();
    const label = tokens.expectKind("identifier").text;
    unwrapped = { label, conversion: conversion as UnwrapConversion };
    tokens.expect(")");
  } else unwrapped = { label: name, conversion: "none" };
  const filters: LabelFilterExpr[] = [];
  while (tokens.accept("|")) filters.push(parseLabelFilter(tokens));
  return { ...unwrapped, filters };
}
