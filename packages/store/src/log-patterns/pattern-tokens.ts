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

/** What `|>` would take for a named value and refuse. */
const NAMED = /<(?!_>)[A-Za-z_][A-Za-z0-9_]*>/g;

/** The tokens as a pattern for `|>`: values that touch are one. */
export function formatPattern(tokens: readonly string[]): string {
  return tokens
    .join("")
    .replaceAll(NAMED, WILDCARD)
    .replaceAll(/(?:<_>){2,}/g, WILDCARD);
}
