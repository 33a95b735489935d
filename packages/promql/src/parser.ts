/**
 * Query text → syntax tree, by precedence climbing. Wording and positions of faults follow Prometheus, so that people and tools that know
 * its messages find them here. The first fault is thrown as a {@link PromqlParseError}.
 */
import type { Matcher } from "@finch/model";
import type {
  AggregateOperator,
  BinaryOperator,
  Expr,
  NumberLiteral,
  Position,
  VectorMatching,
} from "./ast.ts";
import { AGGREGATE_OPERATORS, PARAMETER_AGGREGATES } from "./ast.ts";
import { childrenOf } from "./check-features.ts";
import { checkTypes } from "./check-types.ts";
import { FUNCTIONS } from "./functions.ts";
import { parsePostfix } from "./parse-modifiers.ts";
import { parseSelector, RESERVED } from "./parse-selector.ts";
import { unquoteString } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import { fail, isWord, KEYWORDS, QUERY_WORDS, TokenStream, unexpected } from "./token-stream.ts";
import { quoteString } from "./quote.ts";

/** Query text a user may send. Without it a parse of megabytes would hold the thread. */
const QUERY_LENGTH_MAX = 1_000_000;
/** Levels of the tree. Without it a hostile query overflows the stack. */
const DEPTH_MAX = 500;

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  "==": 3,
  "!=": 3,
  ">": 3,
  "<": 3,
  ">=": 3,
  "<=": 3,
  "</": 3,
  ">/": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "%": 5,
  atan2: 5,
  "^": 6,
};
const WORD_OPERATORS: ReadonlySet<string> = new Set(["and", "or", "unless", "atan2"]);
const POWER = 6;

/** Parses and type-checks a query. */
export function parseQuery(text: string): Expr {
  const stream = openStream(text);
  if (stream.peek().kind === "end")
    throw fail(stream, { start: 0, end: 0 }, "no expression found in input");
  const expr = parseExpr(stream, 0);
  if (stream.peek().kind !== "end") throw unexpected(stream, "", "");
  refuseDeepTree(stream, expr);
  checkTypes(text, expr);
  return expr;
}

/** A long chain of operators makes a deep tree without nesting in the text; whoever walks it would overflow the stack. */
function refuseDeepTree(stream: TokenStream, root: Expr): void {
  let level: readonly Expr[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) {
      const remedy = "group long chains of operators with parentheses";
      throw fail(
        stream,
        level[0]!.position,
        `expression is nested deeper than ${DEPTH_MAX} levels: ${remedy}`,
      );
    }
    level = level.flatMap(childrenOf);
  }
}

/** Parses what `match[]` takes: one instant vector selector without modifiers. */
export function parseMetricSelector(text: string): Matcher[] {
  const stream = openStream(text);
  const token = stream.peek();
  if (token.kind !== "{" && token.kind !== "word") throw unexpected(stream, "", "");
  const selector = parseSelector(stream);
  if (stream.peek().kind !== "end") throw unexpected(stream, "", "");
  checkTypes(text, selector);
  return [...selector.matchers];
}

function openStream(text: string): TokenStream {
  const stream = new TokenStream(text.slice(0, QUERY_LENGTH_MAX));
  if (text.length > QUERY_LENGTH_MAX) {
    throw fail(stream, { start: 0, end: 0 }, `query is longer than ${QUERY_LENGTH_MAX} characters`);
  }
  return stream;
}

function parseExpr(stream: TokenStream, precedenceMin: number): Expr {
  if (++stream.depth > DEPTH_MAX)
    throw fail(
      stream,
      stream.peek().position,
      `expression is nested deeper than ${DEPTH_MAX} levels`,
    );
  let left = parseUnary(stream);
  for (;;) {
    const operator = peekOperator(stream);
    if (operator === undefined || PRECEDENCE[operator] < precedenceMin) break;
    stream.next();
    const { matching, returnBool } = parseBinaryModifiers(stream);
    const precedence = PRECEDENCE[operator];
    const right = parseExpr(stream, operator === "^" ? precedence : precedence + 1);
    const position = { start: left.position.start, end: right.position.end };
    left = { kind: "binary", position, operator, left, right, matching, returnBool };
  }
  stream.depth--;
  return left;
}

function peekOperator(stream: TokenStream): BinaryOperator | undefined {
  const token = stream.peek();
  if (token.kind === "operator") return token.text as BinaryOperator;
  const word = token.text.toLowerCase();
  return token.kind === "word" && WORD_OPERATORS.has(word) ? (word as BinaryOperator) : undefined;
}

function parseUnary(stream: TokenStream): Expr {
  const token = stream.peek();
  if (token.kind !== "operator" || (token.text !== "+" && token.text !== "-"))
    return parsePostfix(stream, parsePrimary(stream));
  stream.next();
  const operand = parseExpr(stream, POWER);
  const position = { start: token.position.start, end: operand.position.end };
  if (operand.kind === "number")
    return { ...operand, position, value: token.text === "-" ? -operand.value : operand.value };
  return { kind: "unary", position, operator: token.text, expr: operand };
}

function parsePrimary(stream: TokenStream): Expr {
  const token = stream.peek();
  switch (token.kind) {
    case "number":
    case "duration":
      return parseNumber(stream);
    case "string":
      stream.next();
      return { kind: "string", position: token.position, value: unquoteString(token.text) };
    case "(": {
      stream.next();
      const expr = parseExpr(stream, 0);
      const close = stream.expect(")", "", "");
      return {
        kind: "paren",
        position: { start: token.position.start, end: close.position.end },
        expr,
      };
    }
    case "{":
      return parseSelector(stream);
    case "word":
      return parseWord(stream);
    default:
      throw unexpected(stream, "", "");
  }
}

function parseWord(stream: TokenStream): Expr {
  const token = stream.peek();
  const word = token.text.toLowerCase();
  const next = stream.peek(1);
  if (AGGREGATE_OPERATORS.has(word)) {
    if (next.kind === "(" || isWord(next, "by") || isWord(next, "without"))
      return parseAggregate(stream, word as AggregateOperator);
  } else if (next.kind === "(" && isFunctionName(token.text)) return parseCall(stream);
  return parseSelector(stream);
}

/** Keywords are no names of functions, but for those that stand for times of the query; with colons a name is a metric's. */
function isFunctionName(text: string): boolean {
  if (text.includes(":")) return false;
  const word = text.toLowerCase();
  return QUERY_WORDS.has(word) || !(KEYWORDS.has(word) || WORD_OPERATORS.has(word));
}

function parseCall(stream: TokenStream): Expr {
  const token = stream.next();
  const { args, end } = parseArguments(stream);
  // Keywords that double as functions (`start()`) are written in any case; other names are case-sensitive.
  const word = token.text.toLowerCase();
  const name = QUERY_WORDS.has(word) ? word : token.text;
  if (!FUNCTIONS.has(name))
    throw fail(stream, token.position, `unknown function with name ${quoteString(token.text)}`);
  return { kind: "call", position: { start: token.position.start, end }, name, args };
}

function parseArguments(stream: TokenStream): {
  readonly args: readonly Expr[];
  readonly end: number;
} {
  stream.expect("(", "", "");
  const args: Expr[] = [];
  if (stream.peek().kind !== ")") {
    args.push(parseExpr(stream, 0));
    while (stream.peek().kind === ",") {
      const comma = stream.next();
      if (!canBegin(stream.peek()))
        throw fail(stream, comma.position, "trailing commas not allowed in function call args");
      args.push(parseExpr(stream, 0));
    }
  }
  return { args, end: stream.expect(")", "", "").position.end };
}

/** Whether an expression can begin with the token. */
function canBegin({ kind, text }: Token): boolean {
  if (kind === "operator") return text === "+" || text === "-";
  if (kind === "word") return !RESERVED.has(text.toLowerCase());
  return ["number", "duration", "string", "(", "{"].includes(kind);
}

function parseAggregate(stream: TokenStream, operator: AggregateOperator): Expr {
  const start = stream.next().position.start;
  stream.aggregations++;
  let grouping = parseGrouping(stream);
  const { args, end: argumentsEnd } = parseArguments(stream);
  let end = argumentsEnd;
  if (grouping === undefined) {
    grouping = parseGrouping(stream);
    if (grouping !== undefined) end = stream.previousEnd;
  }
  stream.aggregations--;
  const position: Position = { start, end };
  if (args.length === 0)
    throw fail(stream, position, "no arguments for aggregate expression provided");
  const wanted = PARAMETER_AGGREGATES.has(operator) ? 2 : 1;
  if (args.length !== wanted) {
    throw fail(
      stream,
      position,
      `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`,
    );
  }
  return {
    kind: "aggregate",
    position,
    operator,
    expr: args[wanted - 1]!,
    param: wanted === 2 ? args[0]! : undefined,
    grouping: grouping?.labels ?? [],
    without: grouping?.without ?? false,
  };
}

function parseGrouping(
  stream: TokenStream,
): { readonly labels: readonly string[]; readonly without: boolean } | undefined {
  const token = stream.peek();
  if (!isWord(token, "by") && !isWord(token, "without")) return undefined;
  stream.next();
  return { labels: parseLabelList(stream), without: isWord(token, "without") };
}

/** `(a, "b", …)`, a trailing comma allowed. */
function parseLabelList(stream: TokenStream): readonly string[] {
  stream.expect("(", "grouping opts", '"("');
  const labels: string[] = [];
  while (stream.peek().kind !== ")") {
    const token = stream.next();
    if (token.kind === "word") labels.push(token.text);
    else if (token.kind === "number" && /^[a-z]+$/i.test(token.text)) labels.push(token.text);
    else if (token.kind === "string")
      labels.push(checkGroupingLabel(stream, token.position, unquoteString(token.text)));
    else throw unexpected(stream, "grouping opts", "label", token);
    if (stream.peek().kind === ",") stream.next();
    else if (stream.peek().kind !== ")") throw unexpected(stream, "grouping opts", '"," or ")"');
  }
  stream.next();
  return labels;
}

function checkGroupingLabel(stream: TokenStream, position: Position, label: string): string {
  if (label !== "" && label.isWellFormed()) return label;
  throw fail(stream, position, `invalid label name for grouping: ${quoteString(label)}`);
}

function parseBinaryModifiers(stream: TokenStream): {
  readonly matching: VectorMatching;
  readonly returnBool: boolean;
} {
  const returnBool = stream.takeWord("bool");
  const on = stream.takeWord("on");
  const explicit = on || stream.takeWord("ignoring");
  const labels = explicit ? parseLabelList(stream) : [];
  const groupLeft = explicit && stream.takeWord("group_left");
  const groupRight = explicit && !groupLeft && stream.takeWord("group_right");
  const include = groupLeft || groupRight ? parseIncluded(stream) : [];
  let fillLeft: number | undefined;
  let fillRight: number | undefined;
  for (let name = peekFill(stream); name !== undefined; name = peekFill(stream)) {
    const repeated =
      name === "fill_left" ? fillLeft : name === "fill_right" ? fillRight : (fillLeft ?? fillRight);
    if (repeated !== undefined) throw unexpected(stream, "", "");
    stream.next();
    const value = parseFillValue(stream);
    if (name !== "fill_right") fillLeft = value;
    if (name !== "fill_left") fillRight = value;
  }
  const cardinality = groupLeft ? "many-to-one" : groupRight ? "one-to-many" : "one-to-one";
  return { matching: { cardinality, on, labels, include, fillLeft, fillRight }, returnBool };
}

/** The labels behind `group_left` or `group_right`, which may be left out. */
function parseIncluded(stream: TokenStream): readonly string[] {
  const next = stream.peek();
  return next.kind === "(" || !canBegin(next) ? parseLabelList(stream) : [];
}

function peekFill(stream: TokenStream): "fill" | "fill_left" | "fill_right" | undefined {
  const token = stream.peek();
  if (token.kind !== "word" || stream.peek(1).kind !== "(") return undefined;
  const word = token.text.toLowerCase();
  return word === "fill" || word === "fill_left" || word === "fill_right" ? word : undefined;
}

function parseFillValue(stream: TokenStream): number {
  stream.next();
  const sign = stream.takeSign();
  const { value } = parseNumber(stream);
  stream.expect(")", "", "");
  return sign * value;
}

function parseNumber(stream: TokenStream): NumberLiteral {
  const token = stream.next();
  if (token.kind !== "number" && token.kind !== "duration") throw unexpected(stream, "", "", token);
  return {
    kind: "number",
    position: token.position,
    value: stream.numberOf(token),
    duration: token.kind === "duration",
  };
}
