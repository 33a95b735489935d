/** Instant vector selectors: `name{label="value", "utf-8 name", …}`. Modifiers are the business of `parse-modifiers.ts`. */
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { VectorSelector } from "./ast.ts";
import { unquoteString } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import { fail, unexpected } from "./token-stream.ts";
import type { TokenStream } from "./token-stream.ts";

/** Words that cannot stand for a metric in front of braces; `{__name__="on"}` selects such a one. */
export const RESERVED: ReadonlySet<string> = new Set([
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
  "atan2",
]);

export function parseSelector(stream: TokenStream): VectorSelector {
  const first = stream.peek();
  let name: string | undefined;
  let end = first.position.end;
  if (first.kind === "word") {
    if (RESERVED.has(first.text.toLowerCase())) throw unexpected(stream, "", "");
    name = stream.next().text;
  }
  const matchers: Matcher[] = [];
  if (stream.peek().kind === "{") {
    stream.next();
    parseMatchers(stream, matchers);
    end = stream.previousEnd;
  }
  const position = { start: first.position.start, end };
  if (name !== undefined) matchers.push(createMatcher("__name__", "=", name));
  return {
    kind: "selector",
    position,
    name,
    matchers,
    offsetMs: 0,
    at: undefined,
    extended: undefined,
  };
}

function parseMatchers(stream: TokenStream, matchers: Matcher[]): void {
  while (stream.peek().kind !== "}") {
    const token = stream.next();
    if (token.kind !== "name" && token.kind !== "string")
      throw unexpected(stream, "label matching", 'identifier or "}"', token);
    matchers.push(parseMatcher(stream, token));
    if (stream.peek().kind === ",") stream.next();
    else if (stream.peek().kind !== "}") throw unexpected(stream, "label matching", '"," or "}"');
  }
  stream.next();
}

function parseMatcher(stream: TokenStream, token: Token): Matcher {
  const label = token.kind === "string" ? unquoteString(token.text) : token.text;
  const operator = matchOperatorOf(stream.peek());
  if (operator === undefined) {
    if (token.kind === "string") return createMatcher("__name__", "=", label);
    throw unexpected(stream, "label matching", "label matching operator");
  }
  stream.next();
  const value = stream.peek();
  if (value.kind !== "string") throw unexpected(stream, "label matching", "string");
  stream.next();
  try {
    return createMatcher(label, operator, unquoteString(value.text));
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    // The place says which pattern is meant.
    const reason = error.fields["reason"] ?? error.message;
    throw fail(stream, { start: token.position.start, end: value.position.end }, String(reason));
  }
}

function matchOperatorOf(token: Token): MatchOperator | undefined {
  if (token.kind === "=" || token.kind === "=~" || token.kind === "!~") return token.kind;
  return token.kind === "operator" && token.text === "!=" ? "!=" : undefined;
}
