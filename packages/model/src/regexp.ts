/**
 * RE2 regular expressions for users' patterns: what RE2 refuses is refused, and no pattern can hang the process.
 * Matching runs in linear time (re2js); literals, alternations of literals and `.*` between literals need no engine at all.
 */
import { FinchError } from "@finch/runtime";
import { RE2JS } from "re2js";
import { REGEXP_ENGINE_LENGTH_MAX, REGEXP_LENGTH_MAX, REPLACED_LENGTH_MAX } from "./limits.ts";
import { type Chain, matchesSomewhere, matchesWhole, parseChains } from "./regexp-literals.ts";

export interface CompiledRegexp {
  /** Whether the pattern matches (all of the text when anchored, somewhere in it otherwise). */
  test(text: string): boolean;
  /** The capture groups of the first match: index 0 is the whole match; a group that took no part is undefined. */
  exec(text: string): readonly (string | undefined)[] | undefined;
  /** Where the groups of the first match at or after `from` stand: start and end of each, -1 for one that took no part. */
  bounds(text: string, from: number): readonly number[] | undefined;
  /** `text` with every match replaced; `$1`, `${name}` as in Go's `Regexp.ReplaceAllString`. */
  replaceAll(text: string, template: string): string;
  /** Names of the capture groups by index; unnamed ones are "". Index 0 is "". */
  readonly groupNames: readonly string[];
  /** When the pattern is anchored and means just a few literals: those. */
  readonly literals: readonly string[] | undefined;
}

/** Compiles an RE2 pattern; throws a FinchError `model/bad-regexp` that quotes the pattern. `.` matches newlines when `dotAll`. */
export function compileRegexp(
  pattern: string,
  options: { readonly anchored: boolean; readonly dotAll?: boolean },
): CompiledRegexp {
  const { anchored, dotAll = anchored } = options;
  if (pattern.length > REGEXP_LENGTH_MAX) {
    throw badRegexp(pattern, `it is longer than ${REGEXP_LENGTH_MAX} characters`);
  }
  const chains = parseChains(anchored ? withoutAnchors(pattern) : pattern);
  if (chains === undefined && pattern.length > REGEXP_ENGINE_LENGTH_MAX) {
    throw badRegexp(
      pattern,
      `it is longer than ${REGEXP_ENGINE_LENGTH_MAX} characters, and no list of texts`,
    );
  }
  // A chain is well-formed by construction, so its engine can wait until groups or a replacement are asked for.
  const engine = new Engine(pattern, { anchored, dotAll });
  if (chains === undefined) engine.compile();
  const literals =
    anchored && chains?.every(isLiteral)
      ? [...new Set(chains.map((c) => c.literals[0]!))]
      : undefined;
  return {
    test: makeTest({ chains, literals, engine, anchored, dotAll }),
    exec: (text) => engine.exec(text),
    bounds: (text, from) => engine.bounds(text, from),
    replaceAll: (text, template) => engine.replaceAll(text, template),
    get groupNames() {
      return engine.groupNames();
    },
    literals,
  };
}

/** `^` and `$` at the ends say again what anchoring says. */
function withoutAnchors(pattern: string): string {
  const isEscaped = (/\\*\$$/.exec(pattern)?.[0].length ?? 1) % 2 === 0;
  const end = pattern.endsWith("$") && !isEscaped ? -1 : pattern.length;
  return pattern.slice(pattern.startsWith("^") ? 1 : 0, end);
}

function isLiteral(chain: Chain): boolean {
  return chain.gaps.length === 0;
}

function makeTest(parts: {
  readonly chains: readonly Chain[] | undefined;
  readonly literals: readonly string[] | undefined;
  readonly engine: Engine;
  readonly anchored: boolean;
  readonly dotAll: boolean;
}): (text: string) => boolean {
  const { chains, literals, engine, anchored, dotAll } = parts;
  if (chains === undefined) return (text) => engine.test(text);
  if (literals !== undefined && literals.length > 4) {
    const set = new Set(literals);
    return (text) => set.has(text);
  }
  const matches = anchored ? matchesWhole : matchesSomewhere;
  const [only] = chains;
  const test =
    chains.length === 1
      ? (text: string) => matches(only!, text)
      : (text: string) => chains.some((c) => matches(c, text));
  if (dotAll || chains.every(isLiteral)) return test;
  // A gap must not cross a newline here. Without a newline in the text the gap may hold anything.
  return (text) => (text.includes("\n") ? engine.test(text) : test(text));
}

/** A pattern and its re2js program, compiled at the first need. */
class Engine {
  readonly #pattern: string;
  readonly #anchored: boolean;
  readonly #dotAll: boolean;
  #compiled: RE2JS | undefined;
  #groupNames: readonly string[] | undefined;

  constructor(pattern: string, options: { readonly anchored: boolean; readonly dotAll: boolean }) {
    this.#pattern = pattern;
    this.#anchored = options.anchored;
    this.#dotAll = options.dotAll;
  }

  compile(): RE2JS {
    if (this.#compiled !== undefined) return this.#compiled;
    const flags = this.#dotAll ? RE2JS.DOTALL : 0;
    try {
      this.#compiled = this.#anchored
        ? compileAnchored(this.#pattern, flags)
        : RE2JS.compile(this.#pattern, flags);
      return this.#compiled;
    } catch (error) {
      const told = error instanceof Error ? error.message : String(error);
      // The library quotes the flag as if it had been written.
      const reason = this.#dotAll ? told.replace("`(?s)", "`") : told;
      throw badRegexp(this.#pattern, reason, error);
    }
  }

  test(text: string): boolean {
    return this.compile().test(text);
  }

  exec(text: string): readonly (string | undefined)[] | undefined {
    const matcher = this.compile().matcher(text);
    if (!matcher.find()) return undefined;
    const groups: (string | undefined)[] = [];
    for (let i = 0; i <= matcher.groupCount(); i++) groups.push(matcher.group(i) ?? undefined);
    return groups;
  }

  bounds(text: string, from: number): readonly number[] | undefined {
    const matcher = this.compile().matcher(text);
    if (from > text.length || !matcher.find(from)) return undefined;
    const bounds: number[] = [];
    for (let i = 0; i <= matcher.groupCount(); i++) bounds.push(matcher.start(i), matcher.end(i));
    return bounds;
  }

  groupNames(): readonly string[] {
    if (this.#groupNames !== undefined) return this.#groupNames;
    const compiled = this.compile();
    const names = Array.from({ length: compiled.groupCount() + 1 }, () => "");
    for (const [name, index] of Object.entries(compiled.namedGroups())) names[index] = name;
    return (this.#groupNames = names);
  }

  /** Throws a RangeError past REPLACED_LENGTH_MAX. Go's rules: after a match, an empty one right behind it does not count. */
  replaceAll(text: string, template: string): string {
    const matcher = this.compile().matcher(text);
    const parts = parseTemplate(template, this.groupNames());
    let result = "";
    let copiedTo = 0;
    let position = 0;
    while (position <= text.length && matcher.find(position)) {
      const start = matcher.start();
      const end = matcher.end();
      result += text.slice(copiedTo, start);
      if (end > copiedTo || start === 0) {
        for (const part of parts)
          result += typeof part === "string" ? part : (matcher.group(part) ?? "");
        if (result.length > REPLACED_LENGTH_MAX)
          throw new RangeError(`a replacement makes more than ${REPLACED_LENGTH_MAX} characters`);
      }
      copiedTo = end;
      const width = (text.codePointAt(position) ?? 0) > 0xffff ? 2 : 1;
      position = position + width > end ? position + width : end;
    }
    return result + text.slice(copiedTo);
  }
}

/**
 * The pattern must stand by itself: `a)(b` is refused although it closes and opens the group put around it. One without closing brackets and
 * quotes cannot do that, and is compiled once: large classes take a while.
 */
function compileAnchored(pattern: string, flags: number): RE2JS {
  const staysInside = !pattern.includes(")") && !pattern.includes("\\Q");
  if (!staysInside) RE2JS.compile(pattern, flags);
  try {
    return RE2JS.compile(`^(?:${pattern})$`, flags);
  } catch (error) {
    // The fault of the pattern alone tells of no group that its author did not write.
    RE2JS.compile(pattern, flags);
    throw error;
  }
}

/** A replacement template as literals and group numbers. A reference to a group that is not there becomes nothing, as in Go. */
function parseTemplate(
  template: string,
  groupNames: readonly string[],
): readonly (string | number)[] {
  const parts: (string | number)[] = [];
  const reference = /\$(?:\$|(\w+)|\{(\w+)\})/g;
  let copiedTo = 0;
  for (const match of template.matchAll(reference)) {
    parts.push(template.slice(copiedTo, match.index));
    copiedTo = match.index + match[0].length;
    const name = match[1] ?? match[2];
    if (name === undefined) parts.push("$");
    else if (/^\d+$/.test(name)) {
      if (Number(name) < groupNames.length) parts.push(Number(name));
    } else if (groupNames.includes(name)) parts.push(groupNames.indexOf(name));
  }
  parts.push(template.slice(copiedTo));
  return parts;
}

function badRegexp(pattern: string, reason: string, cause?: unknown): FinchError {
  const shown = pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern;
  return new FinchError(
    "invalid",
    "model/bad-regexp",
    `bad regular expression ${JSON.stringify(shown)}: ${reason}`,
    { cause, fields: { reason } },
  );
}
