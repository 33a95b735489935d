/** Label matchers: the predicate part of every selector of PromQL and LogQL. */
import { compileRegexp } from "./regexp.ts";

export type MatchOperator = "=" | "!=" | "=~" | "!~";

export interface Matcher {
  readonly name: string;
  readonly operator: MatchOperator;
  readonly value: string;
  /** Whether a label value satisfies the matcher; a missing label is the empty string. */
  readonly matches: (value: string) => boolean;
  /** For `=`, and for a regular expression that is an alternation of literals: the only values that can match. */
  readonly literals: readonly string[] | undefined;
}

/** Makes a matcher. Regular expressions are RE2, fully anchored; a bad one throws a FinchError `model/bad-regexp`. */
export function createMatcher(name: string, operator: MatchOperator, value: string): Matcher {
  if (operator === "=")
    return { name, operator, value, matches: (v) => v === value, literals: [value] };
  if (operator === "!=")
    return { name, operator, value, matches: (v) => v !== value, literals: undefined };
  const regexp = compileRegexp(value, { anchored: true });
  if (operator === "=~") {
    return { name, operator, value, matches: (v) => regexp.test(v), literals: regexp.literals };
  }
  return { name, operator, value, matches: (v) => !regexp.test(v), literals: undefined };
}

export function formatMatcher(matcher: Matcher): string {
  return `${matcher.name}${matcher.operator}${JSON.stringify(matcher.value)}`;
}
