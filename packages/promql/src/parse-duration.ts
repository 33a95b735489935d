/** Durations in brackets and after `offset`: plain ones, and expressions over `step()` and `range()` that wait for the query's times. */
import type { DurationExpression, DurationOperator } from "./ast.ts";
import type { Position } from "./errors.ts";
import { fail, isWord, unexpected } from "./token-stream.ts";
import type { TokenStream } from "./token-stream.ts";

/** Durations of Go end at 2^63 nanoseconds. */
const SECONDS_MAX = 9_223_372_036;

const PRECEDENCE: Readonly<Record<DurationOperator, number>> = {
  "+": 1,
  "-": 1,
  "*": 2,
  "/": 2,
  "%": 2,
  "^": 3,
};
const SIGN_PRECEDENCE = 3;

export interface ParsedDuration {
  /** 0 when there is an expression. */
  readonly ms: number;
  readonly expression: DurationExpression | undefined;
}

/** A duration in brackets, which must be above zero. */
export function parseBracketDuration(
  stream: TokenStream,
  wanted: { readonly expected: string; readonly context: string },
): ParsedDuration {
  const start = stream.peek().position.start;
  const expression = parseSum(stream, 0, wanted);
  const position = { start, end: stream.previousEnd };
  const parsed = plainOrExpression(stream, expression, position);
  if (parsed.expression === undefined && parsed.ms <= 0)
    throw fail(stream, position, "duration must be greater than 0");
  return parsed;
}

/** The duration of `offset`: one operand, signed perhaps; operators behind it belong to the query. */
export function parseOffsetDuration(stream: TokenStream): ParsedDuration {
  const start = stream.peek().position.start;
  const wanted = { expected: "number, duration, step(), or range()", context: "offset" };
  const sign = stream.takeSign();
  const operand = parseOperand(stream, wanted);
  const expression: DurationExpression = sign < 0 ? { kind: "negative", operand } : operand;
  return plainOrExpression(stream, expression, { start, end: stream.previousEnd });
}

function plainOrExpression(
  stream: TokenStream,
  expression: DurationExpression,
  position: Position,
): ParsedDuration {
  const seconds = plainSeconds(expression);
  if (seconds === undefined) return { ms: 0, expression };
  if (!(Math.abs(seconds) < SECONDS_MAX)) throw fail(stream, position, "duration out of range");
  return { ms: Math.round(seconds * 1000), expression: undefined };
}

/** The value of a literal, with or without sign. */
function plainSeconds(expression: DurationExpression): number | undefined {
  if (expression.kind === "literal") return expression.seconds;
  if (expression.kind !== "negative") return undefined;
  const seconds = plainSeconds(expression.operand);
  return seconds === undefined ? undefined : -seconds;
}

type Wanted = { readonly expected: string; readonly context: string };

function parseSum(stream: TokenStream, precedenceMin: number, wanted: Wanted): DurationExpression {
  let left = parseSigned(stream, wanted);
  for (;;) {
    const token = stream.peek();
    if (token.kind !== "operator" || !Object.hasOwn(PRECEDENCE, token.text)) return left;
    const operator = token.text as DurationOperator;
    const precedence = PRECEDENCE[operator];
    if (precedence < precedenceMin) return left;
    stream.next();
    const right = parseSum(stream, operator === "^" ? precedence : precedence + 1, wanted);
    const isZero = plainSeconds(right) === 0;
    if (isZero && operator === "/") throw fail(stream, token.position, "division by zero");
    if (isZero && operator === "%") throw fail(stream, token.position, "modulo by zero");
    left = { kind: "operation", operator, left, right };
  }
}

function parseSigned(stream: TokenStream, wanted: Wanted): DurationExpression {
  const token = stream.peek();
  if (token.kind !== "operator" || (token.text !== "+" && token.text !== "-"))
    return parseOperand(stream, wanted);
  if (++stream.depth > 500)
    throw fail(stream, token.position, "duration expression is nested too deeply");
  stream.next();
  const operand = parseSum(stream, SIGN_PRECEDENCE, wanted);
  stream.depth--;
  return token.text === "-" ? { kind: "negative", operand } : operand;
}

function parseOperand(stream: TokenStream, wanted: Wanted): DurationExpression {
  const token = stream.peek();
  if (token.kind === "number" || token.kind === "duration") {
    stream.next();
    return {
      kind: "literal",
      seconds: stream.numberOf(token),
      duration: token.kind === "duration",
    };
  }
  if (token.kind === "(") {
    if (++stream.depth > 500)
      throw fail(stream, token.position, "duration expression is nested too deeply");
    stream.next();
    const operand = parseSum(stream, 0, wanted);
    stream.expect(")", wanted.context, wanted.expected);
    stream.depth--;
    return { kind: "paren", operand };
  }
  for (const kind of ["step", "range"] as const) {
    if (!isWord(token, kind)) continue;
    stream.next();
    stream.expect("(", wanted.context, wanted.expected);
    stream.expect(")", wanted.context, wanted.expected);
    return { kind };
  }
  for (const kind of ["min_of", "max_of"] as const) {
    if (!isWord(token, kind)) continue;
    stream.next();
    stream.expect("(", wanted.context, wanted.expected);
    const left = parseSum(stream, 0, wanted);
    stream.expect(",", wanted.context, wanted.expected);
    const right = parseSum(stream, 0, wanted);
    stream.expect(")", wanted.context, wanted.expected);
    return { kind, left, right };
  }
  throw unexpected(stream, wanted.context, wanted.expected);
}
