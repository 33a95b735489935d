/**
 * Selectors of collectors: `{env="prod", host=~"web.*"}`, as Prometheus writes them, with names that may hold dots (`collector.os`) or stand in quotes. The empty
 * `{}` is every collector.
 */
import { createMatcher } from "@finch/model";
import type { Matcher, MatchOperator } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { SELECTOR_CHARS_MAX, SELECTOR_MATCHERS_MAX } from "./limits.ts";

export interface Selector {
  readonly text: string;
  matches(labels: Readonly<Record<string, string>>): boolean;
}

const NAME = /[A-Za-z_][A-Za-z0-9_.:/-]*|"(?:\\.|[^"\\])*"/y;
const OPERATOR = /=~|!~|!=|=/y;
const VALUE = /"(?:\\.|[^"\\])*"/y;
const SPACE = /\s*/y;

/** Throws a FinchError `control/bad-selector` that names the column. */
export function parseSelector(text: string): Selector {
  if (text.length > SELECTOR_CHARS_MAX)
    throw badSelector(`longer than ${SELECTOR_CHARS_MAX} characters`, 0);
  const matchers = new SelectorReader(text).read();
  return {
    text,
    matches: (labels) =>
      matchers.every(({ name, matches }) =>
        matches(Object.hasOwn(labels, name) ? labels[name]! : ""),
      ),
  };
}

class SelectorReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): readonly Matcher[] {
    const matchers: Matcher[] = [];
    this.#mark("{");
    while (!this.#has("}")) {
      if (matchers.length > 0) this.#mark(",");
      if (this.#has("}")) break;
      matchers.push(this.#matcher());
      if (matchers.length > SELECTOR_MATCHERS_MAX)
        throw badSelector(`more than ${SELECTOR_MATCHERS_MAX} matchers`, this.#at);
    }
    this.#mark("}");
    this.#take(SPACE);
    if (this.#at < this.#text.length)
      throw badSelector("nothing may follow the closing brace", this.#at);
    return matchers;
  }

  #matcher(): Matcher {
    const name = this.#expect(NAME, "a label name");
    const operator = this.#expect(OPERATOR, "one of = != =~ !~") as MatchOperator;
    const start = this.#at;
    const value = this.#unquote(this.#expect(VALUE, 'a value in double quotes, such as "prod"'));
    try {
      return createMatcher(name.startsWith('"') ? this.#unquote(name) : name, operator, value);
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      throw badSelector(error.message, start);
    }
  }

  #unquote(quoted: string): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw badSelector(`${quoted} has an escape that is none`, this.#at - quoted.length);
    }
  }

  #has(mark: string): boolean {
    this.#take(SPACE);
    return this.#text[this.#at] === mark;
  }

  #mark(mark: string): void {
    if (!this.#has(mark)) throw badSelector(`${JSON.stringify(mark)} is expected`, this.#at);
    this.#at++;
  }

  #expect(pattern: RegExp, what: string): string {
    this.#take(SPACE);
    const found = this.#take(pattern);
    if (found === undefined) throw badSelector(`${what} is expected`, this.#at);
    return found;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }
}

function badSelector(message: string, at: number): FinchError {
  return new FinchError(
    "invalid",
    "control/bad-selector",
    `selector, column ${at + 1}: ${message}; write it such as {env="prod", host=~"web.*"}, or {} for every collector`,
  );
}
