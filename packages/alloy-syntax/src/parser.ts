/**
 * Parses statements: a recursive descent over the tokens. A fault ends its statement only; parsing goes on behind it, and at most one diagnostic
 * is kept for a line. The tree is given even when there are faults, without the faulty statements.
 */
import type { Attribute, Block, Expression, File, Statement } from "./ast.ts";
import { makeError } from "./diagnostics.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { blockAsExpression, parseExpressionTokens } from "./expression-parser.ts";
import { DIAGNOSTICS_MAX, NESTING_MAX } from "./limits.ts";
import { unquoteString } from "./literals.ts";
import { scan } from "./scanner.ts";
import type { Source } from "./source.ts";
import type { Span } from "./source.ts";
import { ParseFault, TokenCursor } from "./token-cursor.ts";
import { describeToken } from "./tokens.ts";
import type { Token } from "./tokens.ts";

export interface ParseResult {
  readonly file: File;
  /** In the order of the source; empty when the file is well-formed. */
  readonly diagnostics: readonly Diagnostic[];
}

const IDENTIFIER = /^[\p{L}_][\p{L}\p{Nd}_]*$/u;

/** Whether a text may be a label or a name. */
export function isIdentifier(text: string): boolean {
  return IDENTIFIER.test(text);
}

export function parseFile(source: Source): ParseResult {
  const { tokens, comments, diagnostics } = scan(source);
  const parser = new Parser(source, tokens);
  const body = parser.parseBody("end", 0);
  return {
    file: { source, body, comments },
    diagnostics: onePerLine(source, [...diagnostics, ...parser.diagnostics]),
  };
}

/** Parses a text that is one expression, such as a default on a command line. */
export function parseExpression(source: Source): {
  readonly expression: Expression | undefined;
  readonly diagnostics: readonly Diagnostic[];
} {
  const { tokens, diagnostics } = scan(source);
  if (diagnostics.length > 0) return { expression: undefined, diagnostics };
  const cursor = new TokenCursor(tokens);
  try {
    const expression = parseExpressionTokens(cursor);
    cursor.take("terminator");
    cursor.expect("end", "the end of the expression");
    return { expression, diagnostics: [] };
  } catch (error) {
    if (!(error instanceof ParseFault)) throw error;
    return { expression: undefined, diagnostics: [makeError(source, error.span, error.message)] };
  }
}

class Parser {
  readonly diagnostics: Diagnostic[] = [];
  readonly #source: Source;
  readonly #cursor: TokenCursor;

  constructor(source: Source, tokens: readonly Token[]) {
    this.#source = source;
    this.#cursor = new TokenCursor(tokens);
  }

  parseBody(until: "end" | "}", depth: number): Statement[] {
    const body: Statement[] = [];
    const cursor = this.#cursor;
    for (;;) {
      while (cursor.take("terminator") !== undefined);
      const { kind } = cursor.token;
      if (kind === until || kind === "end" || this.diagnostics.length >= DIAGNOSTICS_MAX)
        return body;
      const statement = this.#parseStatementOrSkip(until, depth);
      if (statement !== undefined) body.push(statement);
    }
  }

  #parseStatementOrSkip(until: "end" | "}", depth: number): Statement | undefined {
    const cursor = this.#cursor;
    const first = cursor.index;
    try {
      const statement = this.#parseStatement(depth);
      const { kind } = cursor.token;
      if (kind !== "terminator" && kind !== until && kind !== "end") {
        throw new ParseFault(
          cursor.token,
          `expected end of line, got ${describeToken(cursor.token)}`,
        );
      }
      return statement;
    } catch (error) {
      if (!(error instanceof ParseFault)) throw error;
      this.diagnostics.push(makeError(this.#source, error.span, error.message));
      cursor.skipStatement(first, until);
      return undefined;
    }
  }

  #parseStatement(depth: number): Statement {
    const cursor = this.#cursor;
    const name = cursor.token;
    if (name.kind !== "identifier")
      throw new ParseFault(name, `expected identifier, got ${describeToken(name)}`);
    cursor.advance();
    if (cursor.token.kind === "=") return this.#parseAttribute(name);
    return this.#parseBlock(name, depth);
  }

  #parseAttribute(name: Token): Attribute {
    const equals = this.#cursor.advance().start;
    const value = parseExpressionTokens(this.#cursor);
    const next = this.#cursor.token.kind;
    if (
      (value.kind === "identifier" || value.kind === "access") &&
      (next === "string" || next === "{")
    ) {
      if (this.#cursor.take("string") !== undefined) this.#cursor.expect("{", "{");
      throw blockAsExpression(value);
    }
    return { kind: "attribute", name: name.text, equals, value, start: name.start, end: value.end };
  }

  #parseBlock(first: Token, depth: number): Block {
    const cursor = this.#cursor;
    let last = first;
    let name = first.text;
    while (cursor.take(".") !== undefined) {
      last = cursor.expect("identifier", "a name");
      name += `.${last.text}`;
    }
    if (cursor.token.kind === "=")
      throw new ParseFault(
        { start: first.start, end: last.end },
        `attribute names may only consist of a single identifier with no "."`,
      );
    const label = this.#parseLabel();
    if (cursor.token.kind !== "{") throw this.#headerFault(name, label?.span);
    const openBrace = cursor.advance().start;
    if (depth >= NESTING_MAX)
      throw new ParseFault(first, `blocks are nested deeper than ${NESTING_MAX}`);
    const body = this.parseBody("}", depth + 1);
    const close = cursor.token;
    if (close.kind !== "}")
      throw new ParseFault(
        { start: openBrace, end: openBrace + 1 },
        `block ${JSON.stringify(name)} is not closed: expected }, got ${describeToken(close)}`,
      );
    cursor.advance();
    return {
      kind: "block",
      name,
      nameEnd: last.end,
      label: label?.text ?? "",
      labelSpan: label?.span,
      openBrace,
      closeBrace: close.start,
      body,
      start: first.start,
      end: close.end,
    };
  }

  /** Why the token here cannot follow the name and label of a block. */
  #headerFault(name: string, label: Span | undefined): ParseFault {
    const { token } = this.#cursor;
    const got = `got ${describeToken(token)}`;
    if (label !== undefined && token.kind === "=")
      return new ParseFault(label, "attribute names may not have labels");
    if (label !== undefined) return new ParseFault(token, `expected {, ${got}`);
    if (token.kind === "identifier") return new ParseFault(token, `expected block label, ${got}`);
    const after = `after ${JSON.stringify(name)}`;
    return new ParseFault(token, `expected =, a block label or { ${after}, ${got}`);
  }

  #parseLabel(): { readonly text: string; readonly span: Span } | undefined {
    const token = this.#cursor.token;
    if (token.kind === "raw-string")
      throw new ParseFault(
        token,
        `expected block label to be a double quoted string, but got ${JSON.stringify(token.text.slice(0, 80))}`,
      );
    if (token.kind !== "string") return undefined;
    const label = unquoteString(token.text);
    if (!label.ok) throw new ParseFault(token, label.message);
    if (label.value !== "" && !isIdentifier(label.value)) {
      throw new ParseFault(
        token,
        `expected block label to be a valid identifier, but got ${JSON.stringify(label.value)}`,
      );
    }
    this.#cursor.advance();
    return label.value === "" ? undefined : { text: label.value, span: token };
  }
}

/** Keeps the first diagnostic of each line: those behind it are mostly its echo. */
function onePerLine(source: Source, diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const lines = new Set<number>();
  const kept: Diagnostic[] = [];
  for (const diagnostic of diagnostics.toSorted((a, b) => a.start - b.start)) {
    const line = source.lineOf(diagnostic.start);
    if (lines.has(line)) continue;
    lines.add(line);
    kept.push(diagnostic);
  }
  return kept;
}
