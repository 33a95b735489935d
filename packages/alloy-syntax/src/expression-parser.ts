/** Parses expressions: binary over unary over postfix over primary. Throws {@link ParseFault}; the statement parser turns it into a diagnostic. */
import type {
  ArrayLiteral,
  Binary,
  Expression,
  Identifier,
  ObjectField,
  ObjectLiteral,
} from "./ast.ts";
import { CHAIN_LENGTH_MAX, NESTING_MAX } from "./limits.ts";
import { parseNumber, unquoteString } from "./literals.ts";
import { ParseFault } from "./token-cursor.ts";
import type { Span } from "./source.ts";
import type { TokenCursor } from "./token-cursor.ts";
import { describeToken } from "./tokens.ts";
import type { Token, TokenKind } from "./tokens.ts";

type BinaryOperator = Binary["operator"];

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  "||": 1,
  "&&": 2,
  "==": 3,
  "!=": 3,
  "<": 3,
  "<=": 3,
  ">": 3,
  ">=": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "%": 5,
  "^": 6,
};

export function parseExpressionTokens(cursor: TokenCursor): Expression {
  return parseBinary(cursor, 1);
}

function precedenceOf(kind: TokenKind): number | undefined {
  return Object.hasOwn(PRECEDENCE, kind) ? PRECEDENCE[kind as BinaryOperator] : undefined;
}

function parseBinary(cursor: TokenCursor, precedenceMin: number): Expression {
  let left = parseUnary(cursor);
  for (let count = 0; ; count++) {
    const token = cursor.token;
    const precedence = precedenceOf(token.kind);
    if (precedence === undefined || precedence < precedenceMin) return left;
    if (count >= CHAIN_LENGTH_MAX)
      throw new ParseFault(token, `more than ${CHAIN_LENGTH_MAX} operators in a row`);
    cursor.advance();
    // Only `^` groups to the right: 2^3^2 is 2^(3^2).
    const right = nested(cursor, token, () =>
      parseBinary(cursor, token.kind === "^" ? precedence : precedence + 1),
    );
    left = {
      kind: "binary",
      operator: token.kind as BinaryOperator,
      operatorStart: token.start,
      left,
      right,
      start: left.start,
      end: right.end,
    };
  }
}

function parseUnary(cursor: TokenCursor): Expression {
  const token = cursor.token;
  if (token.kind !== "!" && token.kind !== "-") return parsePostfix(cursor);
  cursor.advance();
  const operand = nested(cursor, token, () => parseUnary(cursor));
  return { kind: "unary", operator: token.kind, operand, start: token.start, end: operand.end };
}

function parsePostfix(cursor: TokenCursor): Expression {
  let value = parsePrimary(cursor);
  for (let count = 0; ; count++) {
    const token = cursor.token;
    if (token.kind !== "." && token.kind !== "[" && token.kind !== "(") return value;
    if (count >= CHAIN_LENGTH_MAX)
      throw new ParseFault(token, `more than ${CHAIN_LENGTH_MAX} accesses in a row`);
    cursor.advance();
    if (token.kind === ".") {
      const name = cursor.expect("identifier", "IDENT");
      value = {
        kind: "access",
        value,
        name: name.text,
        nameStart: name.start,
        start: value.start,
        end: name.end,
      };
    } else if (token.kind === "[") {
      const index = nested(cursor, token, () => parseExpressionTokens(cursor));
      const close = cursor.expect("]", "]");
      value = {
        kind: "index",
        value,
        openBracket: token.start,
        index,
        start: value.start,
        end: close.end,
      };
    } else {
      const args = parseList(cursor, token, ")");
      value = {
        kind: "call",
        callee: value,
        openParen: token.start,
        args: args.elements,
        start: value.start,
        end: args.end,
      };
    }
  }
}

function parsePrimary(cursor: TokenCursor): Expression {
  const token = cursor.advance();
  const { start, end, text } = token;
  switch (token.kind) {
    case "identifier":
      return { kind: "identifier", name: text, start, end };
    case "keyword":
      return { kind: "literal", value: text === "null" ? null : text === "true", text, start, end };
    case "number":
    case "float": {
      const number = parseNumber(text);
      if (!number.ok) throw new ParseFault(token, number.message);
      return { kind: "literal", value: number.value, text, start, end };
    }
    case "string": {
      const string = unquoteString(text);
      if (!string.ok) throw new ParseFault(token, string.message);
      return { kind: "literal", value: string.value, text, start, end };
    }
    case "raw-string":
      return { kind: "literal", value: text.slice(1, -1), text, start, end };
    case "(": {
      const inner = nested(cursor, token, () => parseExpressionTokens(cursor));
      return { kind: "paren", inner, start, end: cursor.expect(")", ")").end };
    }
    case "[":
      return parseArray(cursor, token);
    case "{":
      return parseObject(cursor, token);
    default:
      if (token.kind !== "end") cursor.index--;
      throw new ParseFault(token, `expected expression, got ${describeToken(token)}`);
  }
}

/** Parses one level deeper, refusing what would overflow the stack. */
function nested<Result>(cursor: TokenCursor, at: Token, parse: () => Result): Result {
  if (cursor.depth >= NESTING_MAX)
    throw new ParseFault(at, `expressions are nested deeper than ${NESTING_MAX}`);
  cursor.depth++;
  const result = parse();
  cursor.depth--;
  return result;
}

function parseArray(cursor: TokenCursor, open: Token): ArrayLiteral {
  const { elements, end } = parseList(cursor, open, "]");
  return { kind: "array", elements, start: open.start, end };
}

/** Expressions up to the closing bracket. A comma is required before a line end. */
function parseList(
  cursor: TokenCursor,
  open: Token,
  close: "]" | ")",
): { readonly elements: readonly Expression[]; readonly end: number } {
  const elements: Expression[] = [];
  while (cursor.token.kind !== close) {
    elements.push(nested(cursor, open, () => parseExpressionTokens(cursor)));
    if (cursor.take(",") !== undefined || cursor.token.kind === close) continue;
    if (cursor.token.kind === "{" && elements.at(-1)!.kind === "identifier")
      throw blockAsExpression(elements.at(-1)!);
    throw new ParseFault(missingPlace(cursor), "missing ',' in expression list");
  }
  return { elements, end: cursor.advance().end };
}

/** Where something is missing: at the end of a line, behind what stands before, comments left aside. */
function missingPlace(cursor: TokenCursor): Span {
  const { token, previousEnd } = cursor;
  return token.kind === "terminator" ? { start: previousEnd, end: previousEnd } : token;
}

function parseObject(cursor: TokenCursor, open: Token): ObjectLiteral {
  const fields: ObjectField[] = [];
  while (!isAt(cursor, "}")) {
    fields.push(parseField(cursor, open));
    if (cursor.take(",") !== undefined || isAt(cursor, "}")) continue;
    throw new ParseFault(missingPlace(cursor), "missing ',' in field list");
  }
  return { kind: "object", fields, start: open.start, end: cursor.advance().end };
}

/** A function, since the compiler does not know that parsing moves the cursor. */
function isAt(cursor: TokenCursor, kind: TokenKind): boolean {
  return cursor.token.kind === kind;
}

function parseField(cursor: TokenCursor, open: Token): ObjectField {
  const token = cursor.token;
  if (token.kind !== "identifier" && token.kind !== "string") {
    throw new ParseFault(
      token,
      `expected field name (string or identifier), got ${describeToken(token)}`,
    );
  }
  cursor.advance();
  const next = cursor.token.kind;
  if (token.kind === "identifier" && (next === "{" || next === "string"))
    throw blockAsExpression(token);
  const equals = cursor.expect("=", "= after the field name").start;
  const value = nested(cursor, open, () => parseExpressionTokens(cursor));
  const isQuoted = token.kind === "string";
  return {
    name: isQuoted ? fieldName(token.text) : token.text,
    isQuoted,
    nameSpan: token,
    equals,
    value,
  };
}

/** Quoted keys are not unescaped, and an empty one keeps its quotes: that is how Alloy reads them. */
function fieldName(text: string): string {
  return text.length > 2 ? text.slice(1, -1) : text;
}

/** What a block in the place of a value is refused with. */
export function blockAsExpression(at: Identifier | Expression | Token): ParseFault {
  return new ParseFault(at, "cannot use a block as an expression");
}
