/** What may follow an expression: `[range]`, `[range:step]`, `offset`, `@`, `anchored`, `smoothed`. They bind tighter than any operator. */
import type {
  AtModifier,
  Expr,
  ExtendedMode,
  MatrixSelector,
  Subquery,
  VectorSelector,
} from "./ast.ts";
import { parseBracketDuration, parseOffsetDuration } from "./parse-duration.ts";
import { fail, isWord, unexpected } from "./token-stream.ts";
import type { TokenStream } from "./token-stream.ts";

export function parsePostfix(stream: TokenStream, operand: Expr): Expr {
  let expr = operand;
  for (;;) {
    const token = stream.peek();
    if (token.kind === "[") expr = parseRange(stream, expr);
    else if (token.kind === "@") expr = parseAt(stream, expr);
    else if (isWord(token, "offset")) expr = parseOffset(stream, expr);
    else if (isWord(token, "anchored") || isWord(token, "smoothed"))
      expr = parseExtended(stream, expr);
    else return expr;
  }
}

function parseRange(stream: TokenStream, expr: Expr): Expr {
  const open = stream.next();
  const { ms: rangeMs, expression: rangeExpression } = parseBracketDuration(stream, {
    expected: "number, duration, step(), or range()",
    context: "subquery or range selector",
  });
  if (stream.peek().kind === "]") {
    const close = stream.next();
    const brackets = { start: open.position.start, end: close.position.end };
    if (expr.kind !== "selector")
      throw fail(stream, brackets, "ranges only allowed for vector selectors");
    if (expr.offsetMs !== 0 || expr.offsetExpression !== undefined)
      throw fail(stream, brackets, "no offset modifiers allowed before range");
    if (expr.at !== undefined) throw fail(stream, brackets, "no @ modifiers allowed before range");
    return {
      kind: "matrix",
      position: { start: expr.position.start, end: close.position.end },
      selector: expr,
      rangeMs,
      rangeExpression,
    };
  }
  stream.expect(":", "subquery or range", '":" or "]"');
  const step =
    stream.peek().kind === "]"
      ? undefined
      : parseBracketDuration(stream, {
          expected: 'number, duration, step(), range(), or "]"',
          context: "subquery selector",
        });
  const close = stream.expect("]", "subquery selector", '"]"');
  const position = { start: expr.position.start, end: close.position.end };
  return {
    kind: "subquery",
    position,
    expr,
    rangeMs,
    rangeExpression,
    stepMs: step?.ms,
    stepExpression: step?.expression,
    offsetMs: 0,
    at: undefined,
  };
}

function parseOffset(stream: TokenStream, expr: Expr): Expr {
  stream.next();
  const { ms: offsetMs, expression: offsetExpression } = parseOffsetDuration(stream);
  const target = modifiable(
    stream,
    expr,
    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
  );
  if (target.offsetMs !== 0 || target.offsetExpression !== undefined) {
    throw fail(stream, expr.position, "offset may not be set multiple times");
  }
  return withModifier(expr, { offsetMs, offsetExpression }, stream.previousEnd);
}

function parseAt(stream: TokenStream, expr: Expr): Expr {
  stream.next();
  const at = parseAtTime(stream, expr);
  const target = modifiable(
    stream,
    expr,
    "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
  );
  if (target.at !== undefined)
    throw fail(stream, expr.position, "@ <timestamp> may not be set multiple times");
  return withModifier(expr, { at }, stream.previousEnd);
}

function parseAtTime(stream: TokenStream, expr: Expr): AtModifier {
  const word = stream.peek();
  if (isWord(word, "start") || isWord(word, "end")) {
    stream.next();
    stream.expect("(", "@", "timestamp");
    stream.expect(")", "@", "timestamp");
    return { kind: isWord(word, "start") ? "start" : "end" };
  }
  const sign = stream.takeSign();
  const token = stream.peek();
  if (token.kind !== "number" && token.kind !== "duration")
    throw unexpected(stream, "@", "timestamp");
  stream.next();
  const seconds = sign * stream.numberOf(token);
  if (!(Math.abs(seconds) < 2 ** 63))
    throw fail(
      stream,
      expr.position,
      `timestamp out of bounds for @ modifier: ${formatBound(seconds)}`,
    );
  return { kind: "time", timeMs: Math.round(seconds * 1000) };
}

function formatBound(seconds: number): string {
  return Number.isNaN(seconds)
    ? "NaN"
    : seconds === Infinity
      ? "+Inf"
      : seconds === -Infinity
        ? "-Inf"
        : seconds.toFixed(6);
}

function parseExtended(stream: TokenStream, expr: Expr): Expr {
  const token = stream.next();
  const extended = token.text.toLowerCase() as ExtendedMode;
  if (expr.kind === "subquery")
    throw fail(stream, expr.position, `${extended} modifier is not supported for subqueries`);
  if (expr.kind !== "selector" && expr.kind !== "matrix")
    throw fail(stream, expr.position, `${extended} modifier not implemented`);
  const selector = expr.kind === "matrix" ? expr.selector : expr;
  if (selector.extended !== undefined && selector.extended !== extended) {
    throw fail(stream, expr.position, "anchored and smoothed modifiers cannot be used together");
  }
  return withModifier(expr, { extended }, token.position.end);
}

type Modifiers = Partial<Pick<VectorSelector, "offsetMs" | "offsetExpression" | "at" | "extended">>;

function modifiable(stream: TokenStream, expr: Expr, complaint: string): VectorSelector | Subquery {
  if (expr.kind === "matrix") return expr.selector;
  if (expr.kind === "selector" || expr.kind === "subquery") return expr;
  throw fail(stream, expr.position, complaint);
}

/** Callers have checked that `expr` takes modifiers. */
function withModifier(expr: Expr, modifiers: Modifiers, end: number): Expr {
  const position = { start: expr.position.start, end };
  if (expr.kind !== "matrix")
    return { ...expr, ...modifiers, position } as VectorSelector | Subquery;
  const matrix: MatrixSelector = {
    ...expr,
    position,
    selector: { ...expr.selector, ...modifiers },
  };
  return matrix;
}
