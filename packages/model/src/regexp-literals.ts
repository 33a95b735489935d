/**
 * The part of RE2 that needs no engine: literals, `.*`, `.+`, alternation and groups. Such a pattern expands to a list of chains
 * `literal gap literal gap … literal`, which string search decides. Anything else makes {@link parseChains} give up, and the engine takes over.
 */
import {
  REGEXP_ALTERNATIVES_MAX,
  REGEXP_DEPTH_MAX,
  REGEXP_GAPS_MAX,
  REGEXP_JOINS_MAX,
} from "./limits.ts";

/** Literals with gaps between them: `a.*b.+c` is `{ literals: ["a", "b", "c"], gaps: [0, 1] }`; a gap is the least number of characters. */
export interface Chain {
  readonly literals: readonly string[];
  readonly gaps: readonly number[];
}

const EMPTY: Chain = { literals: [""], gaps: [] };
const SPECIAL = new Set("\\.+*?()|[]{}^$");

interface Cursor {
  readonly pattern: string;
  position: number;
  /** Chains joined so far. */
  joins: number;
}

/** The chains of which one must match, or undefined when the pattern needs an engine (or may be malformed). */
export function parseChains(pattern: string): readonly Chain[] | undefined {
  const cursor: Cursor = { pattern, position: 0, joins: 0 };
  const chains = parseAlternation(cursor, 0);
  return cursor.position === pattern.length ? chains : undefined;
}

function parseAlternation(cursor: Cursor, depth: number): Chain[] | undefined {
  const all: Chain[] = [];
  for (;;) {
    const branch = parseConcatenation(cursor, depth);
    if (branch === undefined || all.length + branch.length > REGEXP_ALTERNATIVES_MAX)
      return undefined;
    for (const chain of branch) all.push(chain);
    if (cursor.pattern[cursor.position] !== "|") return all;
    cursor.position++;
  }
}

function parseConcatenation(cursor: Cursor, depth: number): Chain[] | undefined {
  let chains: Chain[] = [EMPTY];
  for (;;) {
    const character = cursor.pattern[cursor.position];
    if (character === undefined || character === "|" || character === ")") return chains;
    const piece = parsePiece(cursor, character, depth);
    if (piece === undefined || isQuantifier(cursor.pattern[cursor.position])) return undefined;
    const product = multiply(cursor, chains, piece);
    if (product === undefined) return undefined;
    chains = product;
  }
}

function parsePiece(
  cursor: Cursor,
  character: string,
  depth: number,
): readonly Chain[] | undefined {
  if (character === "(") return parseGroup(cursor, depth);
  if (character === ".") {
    const quantifier = cursor.pattern[cursor.position + 1];
    if (quantifier !== "*" && quantifier !== "+") return undefined;
    cursor.position += 2;
    return [{ literals: ["", ""], gaps: [quantifier === "*" ? 0 : 1] }];
  }
  const literal = parseLiteral(cursor);
  return literal === "" ? undefined : [{ literals: [literal], gaps: [] }];
}

/** Takes the longest run of literal characters that no quantifier follows; empty when there is none. */
function parseLiteral(cursor: Cursor): string {
  const { pattern } = cursor;
  let literal = "";
  for (;;) {
    const character = pattern[cursor.position];
    if (character === undefined) return literal;
    if (character === "\\") {
      const escaped = pattern[cursor.position + 1];
      if (escaped === undefined || !/[!-/:-@[-`{-~]/.test(escaped)) return literal;
      literal += escaped;
      cursor.position += 2;
    } else if (SPECIAL.has(character)) {
      return literal;
    } else {
      literal += character;
      cursor.position++;
    }
  }
}

function parseGroup(cursor: Cursor, depth: number): Chain[] | undefined {
  if (depth >= REGEXP_DEPTH_MAX) return undefined;
  cursor.position++;
  if (cursor.pattern.startsWith("?:", cursor.position)) cursor.position += 2;
  const chains = parseAlternation(cursor, depth + 1);
  if (chains === undefined || cursor.pattern[cursor.position] !== ")") return undefined;
  cursor.position++;
  return chains;
}

function isQuantifier(character: string | undefined): boolean {
  return character === "*" || character === "+" || character === "?" || character === "{";
}

function multiply(
  cursor: Cursor,
  left: readonly Chain[],
  right: readonly Chain[],
): Chain[] | undefined {
  if (left.length * right.length > REGEXP_ALTERNATIVES_MAX) return undefined;
  if (left.length === 1 && left[0] === EMPTY) return right.slice();
  cursor.joins += left.length * right.length;
  if (cursor.joins > REGEXP_JOINS_MAX) return undefined;
  const product: Chain[] = [];
  for (const a of left) {
    for (const b of right) {
      if (a.gaps.length + b.gaps.length > REGEXP_GAPS_MAX) return undefined;
      product.push(join(a, b));
    }
  }
  return product;
}

function join(a: Chain, b: Chain): Chain {
  const literals = a.literals.slice(0, -1);
  literals.push(a.literals.at(-1)! + b.literals[0]!);
  for (let i = 1; i < b.literals.length; i++) literals.push(b.literals[i]!);
  return { literals, gaps: [...a.gaps, ...b.gaps] };
}

/** Whether all of `text` is the chain, with gaps that may hold any character, newlines included. Linear but for the search of each literal. */
export function matchesWhole(chain: Chain, text: string): boolean {
  const { literals, gaps } = chain;
  if (gaps.length === 0) return text === literals[0];
  const first = literals[0]!;
  const last = literals[literals.length - 1]!;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let position = first.length;
  for (let i = 1; i < literals.length - 1; i++) {
    const found = indexAfterGap(text, literals[i]!, position, gaps[i - 1]!);
    if (found < 0) return false;
    position = found + literals[i]!.length;
  }
  return skipGap(text, position, gaps[gaps.length - 1]!) <= text.length - last.length;
}

/** Whether some part of `text` is the chain, under the same terms as {@link matchesWhole}. */
export function matchesSomewhere(chain: Chain, text: string): boolean {
  const { literals, gaps } = chain;
  let position = 0;
  for (let i = 0; i < literals.length; i++) {
    const found = indexAfterGap(text, literals[i]!, position, i === 0 ? 0 : gaps[i - 1]!);
    if (found < 0) return false;
    position = found + literals[i]!.length;
  }
  return true;
}

function indexAfterGap(text: string, literal: string, position: number, gap: number): number {
  const start = skipGap(text, position, gap);
  return start > text.length ? -1 : text.indexOf(literal, start);
}

/** A gap is counted in characters, so one outside the basic plane takes two units. */
function skipGap(text: string, position: number, gap: number): number {
  if (gap === 0) return position;
  return position + ((text.codePointAt(position) ?? 0) > 0xffff ? 2 : 1);
}
