/**
 * Parses JSON paths as `json_path` takes them: names with or without `$` in front, indices, slices, unions, `*`, `..`, and filters
 * `[?(@.a == 1)]`. The notation is that of the library ojg, which Alloy uses; its script fragments `[(…)]` are not built.
 */
import { compileRegexp } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { NESTING_MAX } from "./limits.ts";
import { ValueFault } from "./values.ts";

export type PathStep =
  | { readonly kind: "root" | "here" | "wildcard" | "descent" }
  | { readonly kind: "union"; readonly keys: readonly (string | number)[] }
  | { readonly kind: "slice"; readonly start: number; readonly end: number; readonly step: number }
  | { readonly kind: "filter"; readonly condition: PathCondition };

export interface PathPattern {
  test(text: string): boolean;
}

export type PathCondition =
  | { readonly kind: "value"; readonly value: string | number | bigint | boolean | null }
  | { readonly kind: "nothing" }
  | { readonly kind: "pattern"; readonly pattern: PathPattern }
  | { readonly kind: "list"; readonly items: readonly PathCondition[] }
  | { readonly kind: "path"; readonly steps: readonly PathStep[] }
  | { readonly kind: "not"; readonly operand: PathCondition }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly PathCondition[] }
  | {
      readonly kind: "operator";
      readonly operator: string;
      readonly left: PathCondition;
      readonly right: PathCondition;
    };

/** A slice without an end goes to the end. */
const OPEN_END = 2 ** 31 - 1;

/** What a name without quotes may hold. */
const NAME = /[#%0-9;?A-Z^_a-z{|}~\u0080-\u{10ffff}]+/uy;
const WHOLE = /-?[0-9]+/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\r\n]*/y;
const WORD = /[A-Za-z]+/y;
const OPERATOR = /==|!=|<=|>=|=~|~=|&&|\|\||[<>+\-*/]|(?:in|empty|has|exists)\b/y;
const QUOTED = /'((?:[^'\\]|\\[^])*)'|"((?:[^"\\]|\\[^])*)"/y;
const PATTERN = /\/((?:[^/\\]|\\[^])*)\//y;

/** A higher number binds tighter; `&&` and `||` bind alike, from left to right, as in ojg. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  "&&": 1,
  "||": 1,
  "+": 3,
  "-": 3,
  "*": 4,
  "/": 4,
};
const COMPARISON = 2;

const FUNCTIONS: Readonly<Record<string, number>> = { length: 1, count: 1, match: 2, search: 2 };

export function parseJsonPath(text: string): readonly PathStep[] {
  const parser = new PathParser(text);
  const steps = parser.path();
  parser.expectEnd();
  return steps;
}

class PathParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  expectEnd(): void {
    if (this.#at < this.#text.length) throw this.#fault("unexpected text");
  }

  path(): readonly PathStep[] {
    const steps: PathStep[] = [];
    for (;;) {
      const step = this.#step(steps.at(-1));
      if (step === undefined) return steps;
      steps.push(step);
    }
  }

  #step(last: PathStep | undefined): PathStep | undefined {
    if (last === undefined && this.#take("$")) return { kind: "root" };
    if (last === undefined && this.#take("@")) return { kind: "here" };
    if (this.#take("[")) return this.#bracket();
    if (this.#take("*")) return { kind: "wildcard" };
    if (this.#take(".")) {
      if (this.#take(".")) return { kind: "descent" };
      if (this.#take("*")) return { kind: "wildcard" };
      return { kind: "union", keys: [this.#name()] };
    }
    if (last !== undefined && last.kind !== "descent") return undefined;
    const name = this.#match(NAME)?.[0];
    return name === undefined ? undefined : { kind: "union", keys: [name] };
  }

  #name(): string {
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#fault("expected a name");
    return name;
  }

  #bracket(): PathStep {
    this.#skipSpace();
    if (this.#take("*")) return this.#closing({ kind: "wildcard" });
    if (this.#take("?")) return this.#closing({ kind: "filter", condition: this.#condition() });
    if (this.#text[this.#at] === "(")
      throw new ValueFault("script [(…)] in a JSON path", { argument: 1, isUnsupported: true });
    if (this.#text[this.#at] === ":") return this.#slice(0);
    const first = this.#key();
    this.#skipSpace();
    if (typeof first === "number" && this.#text[this.#at] === ":") return this.#slice(first);
    const keys = [first];
    while (this.#take(",")) {
      this.#skipSpace();
      keys.push(this.#key());
      this.#skipSpace();
    }
    return this.#closing({ kind: "union", keys });
  }

  #key(): string | number {
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const digits = this.#match(WHOLE)?.[0];
    if (digits === undefined) throw this.#fault("expected an index, a slice, a quoted name or *");
    return Number(digits);
  }

  /** Behind the start: `:END`, `:END:STEP`. */
  #slice(start: number): PathStep {
    const parts = [start, OPEN_END, 1];
    for (let index = 1; index < 3 && this.#take(":"); index++) {
      this.#skipSpace();
      const digits = this.#match(WHOLE)?.[0];
      if (digits !== undefined) parts[index] = Number(digits);
      this.#skipSpace();
    }
    return this.#closing({ kind: "slice", start, end: parts[1]!, step: parts[2]! });
  }

  #closing(step: PathStep): PathStep {
    this.#skipSpace();
    if (!this.#take("]")) throw this.#fault("expected ]");
    return step;
  }

  #condition(precedenceMin = 0): PathCondition {
    if (++this.#depth > NESTING_MAX) throw this.#fault("nested too deep");
    let left = this.#operand();
    for (;;) {
      this.#skipSpace();
      const before = this.#at;
      const operator = this.#match(OPERATOR)?.[0];
      const precedence = operator === undefined ? -1 : (PRECEDENCE[operator] ?? COMPARISON);
      if (operator === undefined || precedence < precedenceMin) {
        this.#at = before;
        break;
      }
      left = { kind: "operator", operator, left, right: this.#condition(precedence + 1) };
    }
    this.#depth--;
    return left;
  }

  #operand(): PathCondition {
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === "@" || next === "$") return { kind: "path", steps: this.path() };
    if (this.#take("!")) return { kind: "not", operand: this.#condition(COMPARISON + 3) };
    if (this.#take("(")) {
      const inner = this.#condition();
      this.#skipSpace();
      if (!this.#take(")")) throw this.#fault("expected )");
      return inner;
    }
    if (this.#take("[")) return { kind: "list", items: this.#listed("]") };
    const quoted = this.#quoted();
    if (quoted !== undefined) return { kind: "value", value: quoted };
    const number = this.#match(NUMBER)?.[0];
    if (number !== undefined)
      return { kind: "value", value: /^-?[0-9]+$/.test(number) ? BigInt(number) : Number(number) };
    const pattern = this.#match(PATTERN)?.[1];
    if (pattern !== undefined) return { kind: "pattern", pattern: this.#compile(pattern) };
    return this.#word();
  }

  #word(): PathCondition {
    const word = this.#match(WORD)?.[0] ?? "";
    if (word === "true" || word === "false") return { kind: "value", value: word === "true" };
    if (word === "null") return { kind: "value", value: null };
    if (word === "Nothing") return { kind: "nothing" };
    const count = Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined;
    if (count === undefined || !this.#take("("))
      throw this.#fault(`${JSON.stringify(word)} is no value and no function`, word.length);
    const args = this.#listed(")");
    if (args.length !== count) throw this.#fault(`${word} takes ${count} argument(s)`);
    return { kind: "call", name: word, args };
  }

  #listed(close: string): readonly PathCondition[] {
    const items: PathCondition[] = [];
    this.#skipSpace();
    while (!this.#take(close)) {
      if (items.length > 0 && !this.#take(",")) throw this.#fault(`expected , or ${close}`);
      items.push(this.#condition());
      this.#skipSpace();
    }
    return items;
  }

  #compile(pattern: string): PathPattern {
    try {
      return compileRegexp(pattern, { anchored: false });
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      throw this.#fault(describeError(error));
    }
  }

  #quoted(): string | undefined {
    const match = this.#match(QUOTED);
    return match === undefined ? undefined : unescape(match[1] ?? match[2] ?? "");
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }

  #fault(message: string, back = 0): ValueFault {
    const at = this.#at - back;
    const where = at >= this.#text.length ? "at its end" : `at character ${at + 1}`;
    return new ValueFault(`JSON path ${JSON.stringify(this.#text)}: ${message} ${where}`, {
      argument: 1,
    });
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r" };

function unescape(text: string): string {
  return text.replaceAll(
    /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^]))/g,
    (_whole, unicode?: string, hex?: string, simple?: string) => {
      const digits = unicode ?? hex;
      return digits === undefined
        ? (ESCAPES[simple!] ?? simple!)
        : String.fromCharCode(parseInt(digits, 16));
    },
  );
}
