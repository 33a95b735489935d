/**
 * Lines as tokens for finding their patterns: words, runs of blanks, and single marks between words. A word with a digit in it is taken for a value;
 * lines that differ in such words alone have one shape, which is hashed from the bytes without decoding them.
 */

/** What stands for a value in a pattern, as in LogQL's pattern filters. */
export const WILDCARD = "<_>";

/** Tokens of a line that are told apart; what is behind them is one value. */
export const TOKENS_MAX = 200;

const MARKS = "=\"'`,;[](){}<>|&";
const BLANK = 1;
const MARK = 2;
/** By byte: 0 for what words are made of. Bytes of characters beyond ASCII belong to words. */
const CLASS = new Uint8Array(256);
for (let byte = 0; byte <= 32; byte++) CLASS[byte] = BLANK;
for (const mark of MARKS) CLASS[mark.charCodeAt(0)] = MARK;

const WORD_SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b | 0;
/** Inside of words as any other character, at their front a mark: `"key":5`, but `12:30`. */
const COLON = 58;
/** In the place of a word with a digit. */
const VALUE = 0x5bd1e995 | 0;

/** A number that lines of one shape share, of 53 bits. `values`, `TOKENS_MAX` long, gets a hash of each word with a digit, in order. */
export function hashShape(bytes: Uint8Array, from: number, to: number, values: Int32Array): number {
  let low = WORD_SEED;
  let high = WORD_SEED;
  let tokens = 0;
  let valueCount = 0;
  let i = from;
  while (i < to && tokens < TOKENS_MAX) {
    const first = bytes[i++]!;
    const kind = first === COLON ? MARK : CLASS[first]!;
    let token = Math.imul(WORD_SEED ^ first, PRIME);
    if (kind !== MARK) {
      let hasDigit = first >= 48 && first <= 57;
      while (i < to && CLASS[bytes[i]!] === kind) {
        const byte = bytes[i++]!;
        token = Math.imul(token ^ byte, PRIME);
        hasDigit ||= byte >= 48 && byte <= 57;
      }
      if (hasDigit) {
        values[valueCount++] = token;
        token = VALUE;
      }
    }
    low = Math.imul(low ^ token, PRIME) + kind;
    high = Math.imul((high ^ token) + (low >>> 15), SECOND_PRIME);
    tokens++;
  }
  if (i < to) low = Math.imul(low ^ VALUE, PRIME);
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

const TOKEN = /<_>|[^\s="'`,;[\](){}<>|&:][^\s="'`,;[\](){}<>|&]*|\s+|./gsu;

/** The tokens; together they are the line again, but for what stands behind the last one that is told apart. A wildcard in the text is one. */
export function splitTokens(line: string): string[] {
  const tokens: string[] = [];
  for (const [token] of line.matchAll(TOKEN)) {
    if (tokens.length === TOKENS_MAX) {
      tokens.push(WILDCARD);
      break;
    }
    tokens.push(token);
  }
  return tokens;
}

const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/** Whether a token is a word, not blanks or marks. */
export function isWord(token: string): boolean {
  return token !== WILDCARD && LETTER_OR_DIGIT.test(token);
}

const DIGIT = /[0-9]/;

/** Whether a token is taken for a value wherever it stands. */
export function isValue(token: string): boolean {
  return token === WILDCARD || DIGIT.test(token);
}

/** Whether the word at `index` names what follows: `key=`, `"key":`. Names do not tell how alike two lines are. */
export function isName(tokens: readonly string[], index: number): boolean {
  const next = tokens[index + 1];
  return next === "=" || (next === '"' && tokens[index + 2] === ":");
}

/** The tokens as a pattern for `|>`: values that touch are one. */
export function formatPattern(tokens: readonly string[]): string {
  let pattern = "";
  for (const token of tokens) {
    if (token !== WILDCARD || !pattern.endsWith(WILDCARD)) pattern += token;
  }
  return pattern;
}
