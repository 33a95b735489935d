/** Matchers and regular expressions as the parser needs them: a bad pattern is a parse fault with a place, worded as Go's. */
import { compileRegexp, createMatcher } from "@finch/model";
import type { CompiledRegexp, Matcher, MatchOperator } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { parseFault } from "./errors.ts";
import type { Position } from "./errors.ts";

export function makeMatcher(
  name: string,
  operator: MatchOperator,
  value: string,
  at: Position,
): Matcher {
  return withRegexpFault(at, () => createMatcher(name, operator, value));
}

/** An RE2 pattern that may match anywhere in the text. */
export function makeSearch(pattern: string, at: Position, prefix = ""): CompiledRegexp {
  return withRegexpFault(at, () => compileRegexp(pattern, { anchored: false }), prefix);
}

function withRegexpFault<T>(at: Position, make: () => T, prefix = ""): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    throw parseFault(prefix + describeBadRegexp(error), at);
  }
}

/** What is wrong with a pattern, in Go's words where the fault has them; the place says which pattern is meant. */
export function describeBadRegexp(error: FinchError): string {
  const reason = String(error.fields["reason"] ?? error.message);
  return reason.startsWith("error parsing regexp: ") ? reason : `error parsing regexp: ${reason}`;
}
