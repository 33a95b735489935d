/** Reads statements and conditions of OTTL (grammar: pkg/ottl of the OpenTelemetry Collector). Faults are OttlFaults with their place. */
import type {
  Argument,
  Call,
  CompareOperator,
  Condition,
  Expression,
  MathOperator,
  PathField,
  Statement,
} from "./ast.ts";
import { OttlFault } from "./fault.ts";
import { describeToken, readTokens, type Token, type TokenKind } from "./tokens.ts";

/** Brackets, calls and `not` inside one another. */
const DEPTH_MAX = 64;
const COMPARE_OPERATORS = new Set(["==", "!=", "<", "<=", ">", ">="]);
const MATH_OPERATORS = new Set(["+", "-", "*", "/"]);
const WORDS = new Set(["where", "and", "or", "not", "true", "false", "nil"]);

/** `EDITOR(ARGUMENTS) where CONDITION`. */
export function parseStatement(text: string): Statement {
  return new Parser(text).statement();
}

/** What follows `where`, by itself: a condition of a filter. */
export function parseCondition(text: string): Condition {
  return new Parser(text).wholeCondition();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #index = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = readTokens(text);
  }

  statement(): Statement {
    const token = this.#token;
    if (token.kind !== "name" || WORDS.has(token.text))
      throw this.#fault(`expected an editor such as set(…), got ${describeToken(token)}`);
    if (/^[A-Z]/.test(token.text))
      throw this.#fault(
        `a statement begins with an editor, whose name begins with a small letter; ${token.text} is a converter`,
      );
    const editor = this.#call();
    if (editor.keys.length > 0) throw this.#fault("an editor has no [key]", token);
    const where = this.#takeWord("where") ? this.#condition() : undefined;
    this.#expectEnd(where === undefined ? '"where" or the end' : '"and", "or" or the end');
    return { editor, where };
  }

  wholeCondition(): Condition {
    const condition = this.#condition();
    this.#expectEnd('"and", "or" or the end');
    return condition;
  }

  #condition(): Condition {
    return this.#joined("or", () => this.#joined("and", () => this.#test()));
  }

  #joined(kind: "and" | "or", parse: () => Condition): Condition {
    const items = [parse()];
    while (this.#takeWord(kind)) items.push(parse());
    return items.length === 1 ? items[0]! : { kind, items };
  }

  #test(): Condition {
    return this.#nested(() => {
      if (this.#takeWord("not")) return { kind: "not", operand: this.#test() };
      if (this.#is("punctuation", "(") && !this.#bracketIsValue()) {
        this.#index++;
        const inner = this.#condition();
        this.#expect("punctuation", ")");
        return inner;
      }
      return this.#comparison();
    });
  }

  /** Whether the bracket that opens here holds a value: it does when an operator of values follows the closing one. */
  #bracketIsValue(): boolean {
    let open = 0;
    for (let i = this.#index; i < this.#tokens.length; i++) {
      const token = this.#tokens[i]!;
      if (token.kind !== "punctuation") continue;
      if (token.text === "(") open++;
      if (token.text !== ")" || --open > 0) continue;
      return this.#tokens[i + 1]!.kind === "operator";
    }
    return false;
  }

  #comparison(): Condition {
    const start = this.#token;
    const left = this.#value();
    const operator = this.#token;
    if (operator.kind === "operator" && COMPARE_OPERATORS.has(operator.text)) {
      this.#index++;
      const right = this.#value();
      return { kind: "comparison", operator: operator.text as CompareOperator, left, right };
    }
    if (left.kind === "literal" && typeof left.value === "boolean")
      return { kind: "constant", value: left.value };
    if (left.kind === "call") return { kind: "test", call: left };
    if (operator.kind === "operator" && operator.text === "=")
      throw this.#fault('values are compared with "=="', operator);
    throw this.#fault(
      `expected a comparison, a converter, true or false; this ${left.kind === "path" ? "path" : "value"} must be compared with something, as in "!= nil"`,
      start,
    );
  }

  #value(): Expression {
    return this.#nested(() =>
      this.#math(["+", "-"], () => this.#math(["*", "/"], () => this.#factor())),
    );
  }

  #math(operators: readonly string[], parse: () => Expression): Expression {
    let left = parse();
    for (;;) {
      const { kind, text, start } = this.#token;
      if (kind !== "operator" || !operators.includes(text)) return left;
      this.#index++;
      left = { kind: "math", operator: text as MathOperator, left, right: parse(), at: start };
    }
  }

  #factor(): Expression {
    const token = this.#token;
    const { start: at } = token;
    if (token.kind === "operator" && MATH_OPERATORS.has(token.text) && "+-".includes(token.text)) {
      this.#index++;
      return token.text === "+" ? this.#factor() : this.#negated(at);
    }
    if (token.kind === "punctuation") return this.#bracketed();
    if (token.kind === "name") return this.#named();
    this.#index++;
    switch (token.kind) {
      case "string":
        return { kind: "literal", value: token.text, at };
      case "int":
        return { kind: "literal", value: this.#integer(token), at };
      case "double":
        return { kind: "literal", value: Number(token.text), at };
      case "bytes":
        return { kind: "literal", value: this.#bytes(token), at };
      default:
        this.#index--;
        throw this.#fault(`expected a value, got ${describeToken(token)}`);
    }
  }

  #negated(at: number): Expression {
    const token = this.#token;
    if (token.kind === "int") {
      this.#index++;
      return { kind: "literal", value: this.#integer(token, -1n), at };
    }
    const operand = this.#nested(() => this.#factor());
    if (operand.kind === "literal" && typeof operand.value === "number")
      return { ...operand, value: -operand.value, at };
    return { kind: "negation", operand, at };
  }

  #bracketed(): Expression {
    const { text, start: at } = this.#token;
    if (text === "(") {
      this.#index++;
      const inner = this.#value();
      this.#expect("punctuation", ")");
      return inner;
    }
    if (text === "[") {
      this.#index++;
      return { kind: "list", items: this.#separated("]", () => this.#value()), at };
    }
    if (text === "{") {
      this.#index++;
      return { kind: "map", entries: this.#separated("}", () => this.#entry()), at };
    }
    throw this.#fault(`expected a value, got ${describeToken(this.#token)}`);
  }

  #entry(): { key: string; value: Expression } {
    const key = this.#expect("string", undefined, "a key in double quotes").text;
    this.#expect("punctuation", ":");
    return { key, value: this.#value() };
  }

  /** A list up to its closing bracket, which is taken. */
  #separated<Item>(close: string, parse: () => Item): Item[] {
    const items: Item[] = [];
    if (this.#take("punctuation", close)) return items;
    for (;;) {
      items.push(parse());
      if (this.#take("punctuation", close)) return items;
      if (!this.#take("punctuation", ","))
        throw this.#fault(`expected "," or "${close}", got ${describeToken(this.#token)}`);
    }
  }

  #named(): Expression {
    const { text, start: at } = this.#token;
    if (text === "true" || text === "false" || text === "nil") {
      this.#index++;
      return { kind: "literal", value: text === "nil" ? null : text === "true", at };
    }
    if (WORDS.has(text)) throw this.#fault(`expected a value, got "${text}"`);
    const isCapital = /^[A-Z]/.test(text);
    if (this.#peekIs("(")) {
      if (!isCapital)
        throw this.#fault(`${text} is no converter: their names begin with a capital letter`);
      return this.#call();
    }
    if (!isCapital) return this.#path();
    this.#index++;
    if (/^[A-Z][A-Z0-9_]*$/.test(text)) return { kind: "enum", name: text, at };
    return { kind: "function", name: text, at };
  }

  #path(): Expression {
    const { start: at } = this.#token;
    const fields: PathField[] = [];
    do {
      const token = this.#expect("name", undefined, "the name of a field");
      if (/[A-Z]/.test(token.text))
        throw this.#fault(`fields of a path are written small: ${token.text}`, token);
      fields.push({ name: token.text, keys: this.#keys(), at: token.start });
    } while (this.#take("punctuation", "."));
    return { kind: "path", fields, at };
  }

  #keys(): Expression[] {
    const keys: Expression[] = [];
    while (this.#take("punctuation", "[")) {
      keys.push(this.#value());
      this.#expect("punctuation", "]");
    }
    return keys;
  }

  #call(): Call {
    const { text: name, start: at } = this.#token;
    this.#index++;
    if (!this.#take("punctuation", "("))
      throw this.#fault(`expected "(" after ${name}, got ${describeToken(this.#token)}`);
    const args = this.#separated(")", () => this.#argument());
    return { kind: "call", name, args, keys: this.#keys(), at };
  }

  #argument(): Argument {
    const token = this.#token;
    const next = this.#tokens[this.#index + 1];
    const isNamed = token.kind === "name" && next?.kind === "operator" && next.text === "=";
    if (isNamed) this.#index += 2;
    if (this.#is("punctuation", "(") && this.#startsLambda())
      throw this.#fault("lambda expressions are not supported");
    return { name: isNamed ? token.text : undefined, value: this.#value(), at: token.start };
  }

  /** `(a, b) => …`, `() => …`. */
  #startsLambda(): boolean {
    let i = this.#index + 1;
    while (this.#tokens[i]!.kind === "name" || this.#tokens[i]!.text === ",") i++;
    return this.#tokens[i]!.text === ")" && this.#tokens[i + 1]!.text === "=>";
  }

  #integer(token: Token, sign = 1n): bigint {
    const value = sign * BigInt(token.text);
    if (BigInt.asIntN(64, value) !== value)
      throw this.#fault(`${token.text} does not fit into 64 bits`, token);
    return value;
  }

  #bytes(token: Token): Uint8Array {
    const digits = token.text.slice(2);
    if (digits.length % 2 === 1) throw this.#fault("bytes have two digits each", token);
    return Uint8Array.from(Buffer.from(digits, "hex"));
  }

  get #token(): Token {
    return this.#tokens[this.#index]!;
  }

  #is(kind: TokenKind, text: string): boolean {
    return this.#token.kind === kind && this.#token.text === text;
  }

  #peekIs(text: string): boolean {
    const next = this.#tokens[this.#index + 1];
    return next?.kind === "punctuation" && next.text === text;
  }

  #take(kind: TokenKind, text: string): boolean {
    if (!this.#is(kind, text)) return false;
    this.#index++;
    return true;
  }

  #takeWord(text: string): boolean {
    return this.#take("name", text);
  }

  #expect(kind: TokenKind, text?: string, what = `"${text}"`): Token {
    const token = this.#token;
    if (token.kind !== kind || (text !== undefined && token.text !== text))
      throw this.#fault(`expected ${what}, got ${describeToken(token)}`);
    this.#index++;
    return token;
  }

  #expectEnd(what: string): void {
    if (this.#token.kind !== "end")
      throw this.#fault(`expected ${what}, got ${describeToken(this.#token)}`);
  }

  #nested<Result>(parse: () => Result): Result {
    if (++this.#depth > DEPTH_MAX) throw this.#fault("too many brackets inside one another");
    const result = parse();
    this.#depth--;
    return result;
  }

  #fault(reason: string, token = this.#token): OttlFault {
    return new OttlFault(reason, this.#text, token.start);
  }
}
