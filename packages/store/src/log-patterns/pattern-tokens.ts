/** Lines as tokens for finding their patterns: words, runs of blanks, and single marks between words. A word with a digit in it is taken for a value. */

/** What stands for a value in a pattern, as in LogQL's pattern filters. */
export const WILDCARD = "<_>";

/** Tokens of a line that are told apart; what is behind them is one value. */
export const TOKENS_MAX = 200;

/** Longer lines are not matched beyond what is told apart; shorter ones are, without an object for each token. */
const MATCHED_AT_ONCE_MAX = 4096;

const TOKEN = /<_>|[^\s="'`,;[\](){}<>|&:][^\s="'`,;[\](){}<>|&]*|\s+|./gsu;

/** The tokens; together they are the line again, but for what stands behind the last one that is told apart. A wildcard in the text is one. */
export function splitTokens(line: string): string[] {
  if (line.length <= MATCHED_AT_ONCE_MAX) {
    const all: string[] = line.match(TOKEN) ?? [];
    if (all.length > TOKENS_MAX) all.splice(TOKENS_MAX, Infinity, WILDCARD);
    return all;
  }
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
const DIGIT = 1;
const LETTER = 2;
/** By code of a character of ASCII. */
const CLASSES = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  if (code >= 48 && code <= 57) CLASSES[code] = DIGIT;
  else if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122)) CLASSES[code] = LETTER;
}

/** Words in which a value stands are values as a whole. */
export function joinValues(tokens: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < tokens.length;) {
    let end = at;
    let hasValue = false;
    for (; end < tokens.length; end++) {
      const token = tokens[end]!;
      // A colon is a mark at the front of a word and at its end.
      const isInside = token === ":" && end > at && isWordOrValue(tokens[end + 1] ?? "");
      if (!isInside && !isWordOrValue(token)) break;
      hasValue ||= token === WILDCARD;
    }
    if (hasValue) joined.push(WILDCARD);
    else joined.push(...tokens.slice(at, Math.max(end, at + 1)));
    at = Math.max(end, at + 1);
  }
  return joined;
}

const WORD_START = /^[^\s="'`,;[\](){}<>|&:]/u;

function isWordOrValue(token: string): boolean {
  return token === WILDCARD || WORD_START.test(token);
}

/** Whether a token is a word, not blanks or marks. */
export function isWord(token: string): boolean {
  if (token === WILDCARD) return false;
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i);
    if (code > 127) return LETTER_OR_DIGIT.test(token);
    if (CLASSES[code] !== 0) return true;
  }
  return false;
}

/** Whether a token is taken for a value wherever it stands. */
export function isValue(token: string): boolean {
  if (token === WILDCARD) return true;
  for (let i = 0; i < token.length; i++) if (CLASSES[token.charCodeAt(i)] === DIGIT) return true;
  return false;
}

/** Whether the word at `index` names what follows: `key=`, `"key":`. Names do not tell how alike two lines are. */
export function isName(tokens: readonly string[], index: number): boolean {
  const next = tokens[index + 1];
  return next === "=" || (next === '"' && tokens[index + 2] === ":");
}

/** What `|>` would take for a named value and refuse. */
const NAMED = /<(?!_>)[A-Za-z_][A-Za-z0-9_]*>/g;

/** The tokens as a pattern for `|>`: values that touch are one. */
export function formatPattern(tokens: readonly string[]): string {
  const text = tokens.join("");
  const unnamed = tokens.includes("<") ? text.replaceAll(NAMED, WILDCARD) : text;
  return unnamed.includes(WILDCARD + WILDCARD)
    ? unnamed.replaceAll(/(?:<_>){2,}/g, WILDCARD)
    : unnamed;
}
