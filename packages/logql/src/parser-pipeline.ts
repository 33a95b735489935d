/** The grammar of pipelines: line filters, parsers, label filters, formatting. Everything that can be refused without data is refused here. */
import type {
  ComparisonOperator,
  LabelExtraction,
  LabelFilterExpr,
  LabelFormat,
  LabelSelection,
  LineFilterExpr,
  LineFilterOperand,
  LineFilterOperator,
  StageExpr,
} from "./ast.ts";
import { parseTemplate, TemplateFault } from "@finch/go-text";
import type { MatchOperator } from "@finch/model";
import { parseFault, unsupportedFault } from "./errors.ts";
import type { Position } from "./errors.ts";
import { parseIpPattern } from "./ip-match.ts";
import { parseJsonPath, PathFault } from "./json-path.ts";
import { parseCapturePattern, parseFilterPattern, PatternFault } from "./line-pattern.ts";
import { makeMatcher, makeSearch } from "./matcher-parse.ts";
import { TEMPLATE_FUNCTION_NAMES } from "./template-names.ts";
import type { Token } from "./lexer.ts";
import type { TokenStream } from "./token-stream.ts";

const LINE_FILTERS = new Set(["|=", "!=", "|~", "!~", "|>", "!>"]);

/** Zero or more stages; stops before `| unwrap`, which belongs to metric queries. */
export function parseStages(tokens: TokenStream): readonly StageExpr[] {
  const stages: StageExpr[] = [];
  for (;;) {
    const token = tokens.current;
    if (token.kind !== "symbol") return stages;
    if (LINE_FILTERS.has(token.text)) stages.push(parseLineFilter(tokens));
    else if (token.text === "|") {
      if (tokens.peek().word === "unwrap") return stages;
      tokens.next();
      stages.push(parseStage(tokens));
    } else return stages;
  }
}

function parseLineFilter(tokens: TokenStream): LineFilterExpr {
  const operator = tokens.next().text as LineFilterOperator;
  const operands: LineFilterOperand[] = [];
  do {
    const { at } = tokens.current;
    if (tokens.acceptWord("ip")) {
      tokens.expect("(");
      const text = tokens.expectKind("string").text;
      tokens.expect(")");
      operands.push({ text, ip: true });
      if (operator !== "|=" && operator !== "!=") throw parseFault("ip: invalid operation", at);
      if (parseIpPattern(text) === undefined) {
        throw parseFault(`ip: invalid pattern: ${JSON.stringify(text)}`, at);
      }
    } else operands.push({ text: tokens.expectKind("string", "ip").text, ip: false });
    checkLineFilter(operator, operands.at(-1)!, at);
  } while (tokens.acceptWord("or"));
  return { kind: "line-filter", operator, operands };
}

function checkLineFilter(
  operator: LineFilterOperator,
  operand: LineFilterOperand,
  at: Position,
): void {
  if (operator === "|~" || operator === "!~") makeSearch(operand.text, at);
  if (operator === "|>" || operator === "!>") {
    withPatternFault(at, () => parseFilterPattern(operand.text));
  }
}

function withPatternFault(at: Position, parse: () => void, prefix = ""): void {
  try {
    parse();
  } catch (error) {
    if (error instanceof PatternFault || error instanceof PathFault) {
      throw parseFault(prefix + error.message, at);
    }
    throw error;
  }
}

/** Templates are called what Loki calls them: `line`, or `label`. */
function checkTemplate(
  { text, at }: Token,
  { name, prefix }: { readonly name: string; readonly prefix: string },
): void {
  try {
    parseTemplate(text, TEMPLATE_FUNCTION_NAMES);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    if (error.unsupported !== undefined) throw unsupportedFault(error.unsupported, at);
    throw parseFault(
      `${prefix}: ${error.message.replace(/^template: :/, `template: ${name}:`)}`,
      at,
    );
  }
}

function parseStage(tokens: TokenStream): StageExpr {
  const { kind, word } = tokens.current;
  const following = tokens.peek();
  const isFilter =
    following.kind === "symbol" &&
    (COMPARISONS.has(following.text) || following.text === "=~" || following.text === "!~");
  if (kind === "identifier" && !(isFilter && !isLineFilterAfterStage(word, tokens))) {
    const parse = Object.hasOwn(STAGES, word) ? STAGES[word] : undefined;
    if (parse !== undefined) {
      tokens.next();
      return parse(tokens);
    }
  }
  return { kind: "label-filter", filter: parseLabelFilter(tokens) };
}

/** `| json != "x"` is the json stage and a line filter, not a filter on a label named json. */
function isLineFilterAfterStage(word: string, tokens: TokenStream): boolean {
  const operator = tokens.peek().text;
  return (
    (operator === "!=" || operator === "!~") &&
    (word === "json" || word === "logfmt" || word === "unpack" || word === "decolorize")
  );
}

const STAGES: Readonly<Record<string, (tokens: TokenStream) => StageExpr>> = {
  json: (tokens) => ({ kind: "json", extractions: parseExtractions(tokens, true) }),
  logfmt: parseLogfmtStage,
  regexp: parseRegexpStage,
  pattern: parsePatternStage,
  unpack: () => ({ kind: "unpack" }),
  decolorize: () => ({ kind: "decolorize" }),
  line_format: parseLineFormat,
  label_format: parseLabelFormat,
  drop: (tokens) => ({ kind: "drop", labels: parseSelections(tokens) }),
  keep: (tokens) => ({ kind: "keep", labels: parseSelections(tokens) }),
};

function parseExtractions(tokens: TokenStream, json: boolean): readonly LabelExtraction[] {
  const extractions: LabelExtraction[] = [];
  if (tokens.current.kind !== "identifier" || isStageEnd(tokens)) return extractions;
  do {
    const { text: label, at } = tokens.expectKind("identifier");
    const expression = tokens.accept("=") ? tokens.expectKind("string").text : label;
    if (json) withPatternFault(at, () => parseJsonPath(expression));
    else if (/[\s="]/.test(expression) || expression === "") {
      throw parseFault(`cannot parse expression [${expression}]: syntax error: unexpected KEY`, at);
    }
    extractions.push({ label, expression });
  } while (tokens.accept(","));
  return extractions;
}

/** Words that may follow a whole log expression, and so never start an extraction. */
function isStageEnd(tokens: TokenStream): boolean {
  return tokens.isWord("offset") || tokens.isWord("by") || tokens.isWord("without");
}

function parseLogfmtStage(tokens: TokenStream): StageExpr {
  const flags = new Set<string>();
  while (tokens.current.kind === "flag") flags.add(tokens.next().text);
  return {
    kind: "logfmt",
    strict: flags.has("--strict"),
    keepEmpty: flags.has("--keep-empty"),
    extractions: parseExtractions(tokens, false),
  };
}

function parseRegexpStage(tokens: TokenStream): StageExpr {
  const { text: expression, at } = tokens.expectKind("string");
  // Go's regexp allows a repeated group name from 1.22 on only by failing; ours must name the fault before the engine does.
  const names = [...expression.matchAll(/\(\?P?<([^>]*)>/g)].map((match) => match[1]!);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) {
      throw parseFault(`invalid regexp parser: duplicate extracted label name '${name}'`, at);
    }
  }
  const regexp = makeSearch(expression, at, "invalid regexp parser: ");
  if (!regexp.groupNames.some((name) => name !== "")) {
    throw parseFault("invalid regexp parser: at least one named capture must be supplied", at);
  }
  return { kind: "regexp", expression };
}

function parsePatternStage(tokens: TokenStream): StageExpr {
  const { text: expression, at } = tokens.expectKind("string");
  withPatternFault(at, () => parseCapturePattern(expression), "invalid pattern parser: ");
  return { kind: "pattern", expression };
}

function parseLineFormat(tokens: TokenStream): StageExpr {
  const token = tokens.expectKind("string");
  checkTemplate(token, { name: "line", prefix: "invalid line template" });
  return { kind: "line-format", template: token.text };
}

function parseLabelFormat(tokens: TokenStream): StageExpr {
  const formats: LabelFormat[] = [];
  do {
    const { text: label, at } = tokens.expectKind("identifier");
    tokens.expect("=");
    if (label === "__error__" || label === "__error_details__") {
      throw parseFault(`${label} cannot be formatted`, at);
    }
    if (formats.some((format) => format.label === label)) {
      throw parseFault(
        `multiple label name '${label}' not allowed in a single format operation`,
        at,
      );
    }
    const source = tokens.current;
    if (source.kind === "identifier") formats.push({ label, rename: true, value: source.text });
    else if (source.kind === "string") {
      checkTemplate(source, { name: "label", prefix: `invalid template for label '${label}'` });
      formats.push({ label, rename: false, value: source.text });
    } else throw tokens.unexpected("STRING", "IDENTIFIER");
    tokens.next();
  } while (tokens.accept(","));
  return { kind: "label-format", formats };
}

function parseSelections(tokens: TokenStream): readonly LabelSelection[] {
  const labels: LabelSelection[] = [];
  do {
    const { text: name, at } = tokens.expectKind("identifier");
    const operator = tokens.current;
    const matches = operator.kind === "symbol" && MATCHES.has(operator.text);
    if (matches && tokens.peek().kind === "string") {
      tokens.next();
      const value = tokens.next().text;
      labels.push({ name, matcher: makeMatcher(name, operator.text as MatchOperator, value, at) });
    } else labels.push({ name, matcher: undefined });
  } while (tokens.accept(","));
  return labels;
}

const MATCHES = new Set(["=", "!=", "=~", "!~"]);
const COMPARISONS = new Set(["=", "==", "!=", ">", ">=", "<", "<="]);

/** `or` binds weakest; `and`, a comma and nothing at all mean the same. */
export function parseLabelFilter(tokens: TokenStream): LabelFilterExpr {
  let left = parseConjunction(tokens);
  while (tokens.acceptWord("or")) {
    tokens.countOperator();
    left = { kind: "or", left, right: parseConjunction(tokens) };
  }
  return left;
}

function parseConjunction(tokens: TokenStream): LabelFilterExpr {
  let left = parseFilterTerm(tokens);
  for (;;) {
    const joined = tokens.accept(",") || tokens.acceptWord("and");
    const startsTerm =
      tokens.is("(") ||
      (tokens.current.kind === "identifier" && !tokens.isWord("or") && !isStageEnd(tokens));
    if (!joined && !startsTerm) return left;
    tokens.countOperator();
    left = { kind: "and", left, right: parseFilterTerm(tokens) };
  }
}

function parseFilterTerm(tokens: TokenStream): LabelFilterExpr {
  if (tokens.accept("(")) {
    const inner = tokens.nested(() => parseLabelFilter(tokens));
    tokens.expect(")");
    return inner;
  }
  const { text: name, at } = tokens.expectKind("identifier");
  const operator = tokens.current;
  const isComparison = operator.kind === "symbol" && COMPARISONS.has(operator.text);
  const isMatch = operator.kind === "symbol" && MATCHES.has(operator.text);
  if (!isComparison && !isMatch) throw tokens.unexpected();
  tokens.next();
  const value = tokens.current;
  if (value.kind === "string" && isMatch) {
    tokens.next();
    const matcher = makeMatcher(name, operator.text as MatchOperator, value.text, at);
    return { kind: "string", matcher };
  }
  if (value.word === "ip" && tokens.peek().word === "(") {
    if (operator.text === "=" || operator.text === "!=") {
      return parseIpFilter(tokens, name, operator.text === "!=");
    }
  }
  if (!isComparison) throw tokens.unexpected("STRING");
  return parseTypedFilter(tokens, name, operator.text as ComparisonOperator);
}

function parseIpFilter(tokens: TokenStream, name: string, negated: boolean): LabelFilterExpr {
  const { at } = tokens.next();
  tokens.expect("(");
  const pattern = tokens.expectKind("string").text;
  tokens.expect(")");
  if (parseIpPattern(pattern) === undefined) {
    throw parseFault(`ip: invalid pattern: ${JSON.stringify(pattern)}`, at);
  }
  return { kind: "ip", name, negated, pattern };
}

function parseTypedFilter(
  tokens: TokenStream,
  name: string,
  operator: ComparisonOperator,
): LabelFilterExpr {
  const negative = tokens.is("-");
  if (negative || tokens.is("+")) tokens.next();
  const value = tokens.current;
  if (value.kind !== "number" && value.kind !== "duration" && value.kind !== "bytes") {
    throw negative ? tokens.unexpected("NUMBER", "DURATION") : tokens.unexpected();
  }
  tokens.next();
  return {
    kind: value.kind,
    name,
    operator,
    value: negative ? -value.value : value.value,
    literal: `${negative ? "-" : ""}${value.text}`,
  };
}
