/** LogQL's grammar, top level: log queries, selectors, and the door to the metric grammar. Recursive descent, linear in the text. */
import type { Matcher, MatchOperator } from "@finch/model";
import type { Expr, LogExpr } from "./ast.ts";
import { NOWHERE, parseFault } from "./errors.ts";
import { makeMatcher } from "./matcher-parse.ts";
import { parseMetric } from "./parser-metric.ts";
import { parseStages } from "./parser-pipeline.ts";
import { TokenStream } from "./token-stream.ts";

/** Parses any LogQL query. Throws a FinchError `logql/parse` in Loki's wording, with line and column. */
export function parseQuery(text: string): Expr {
  const tokens = new TokenStream(text);
  const expr = parseMetric(tokens, parseLog);
  if (tokens.current.kind !== "end") throw tokens.unexpected();
  return expr;
}

/** Parses `{…}` alone, as `match[]` and `query` parameters of the label APIs carry it. The rule on empty-compatible matchers does not apply. */
export function parseSelector(text: string): readonly Matcher[] {
  const tokens = new TokenStream(text);
  const matchers = parseMatchers(tokens);
  if (tokens.current.kind !== "end") throw tokens.unexpected();
  return matchers;
}

/** A selector and its pipeline, without parentheses around. */
function parseLog(tokens: TokenStream): LogExpr {
  const at = tokens.current.at;
  const matchers = parseMatchers(tokens);
  if (!matchers.some((matcher) => !matcher.matches(""))) {
    throw parseFault(
      "queries require at least one regexp or equality matcher that does not have an empty-compatible value. " +
        'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
      NOWHERE,
    );
  }
  return { kind: "log", at, matchers, stages: parseStages(tokens) };
}

const MATCH_OPERATORS = new Set(["=", "!=", "=~", "!~"]);

function parseMatchers(tokens: TokenStream): readonly Matcher[] {
  tokens.expect("{");
  const matchers: Matcher[] = [];
  if (tokens.accept("}")) return matchers;
  for (;;) {
    const { text: name, at } = tokens.expectKind(
      "identifier",
      ...(matchers.length === 0 ? ["}"] : []),
    );
    const operator = tokens.current;
    if (operator.kind !== "symbol" || !MATCH_OPERATORS.has(operator.text)) {
      throw tokens.unexpected("=", "=~", "!~", "!=");
    }
    tokens.next();
    const value = tokens.expectKind("string").text;
    matchers.push(makeMatcher(name, operator.text as MatchOperator, value, at));
    if (tokens.accept("}")) return matchers;
    if (!tokens.accept(",")) throw tokens.unexpected("}", ",");
  }
}
