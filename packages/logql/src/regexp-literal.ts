/** What can be told about a regular expression's matches without running it: bytes they must contain, so that lines without them are passed over. */

export function longestOf(texts: readonly string[]): string {
  return texts.reduce((best, text) => (text.length > best.length ? text : best), "");
}

const PLAIN = /^[\w \-/:;,@%&=~"'<>!`#]+$/;
const PLAIN_CHARACTER = /[\w \-/:;,@%&=~"'<>!`#]/;

/** A pattern that is a literal or several with `|` between, plain or with `(?i)` in front; matching those needs no engine. */
export function readSimpleRegexp(
  pattern: string,
): { readonly literals: readonly string[]; readonly folded: boolean } | undefined {
  const folded = pattern.startsWith("(?i)");
  const body = folded ? pattern.replace(/^(?:\(\?i\))+/, "") : pattern;
  const literals = body.split("|");
  return literals.every((literal) => PLAIN.test(literal)) ? { literals, folded } : undefined;
}

/**
 * A literal that every match of the pattern contains, or "". Cautious: only text outside groups counts, and alternatives at the top,
 * flags and quoting end the search.
 */
export function requiredLiteral(pattern: string): string {
  const literals: string[] = [];
  let current = "";
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (PLAIN_CHARACTER.test(c)) {
      if (depth === 0) current += c;
      continue;
    }
    if (c === "|" && depth === 0) return "";
    // A quantifier may make the character before it vanish.
    if ((c === "?" || c === "*" || c === "{") && depth === 0) current = current.slice(0, -1);
    literals.push(current);
    current = "";
    const skipped = skipConstruct(pattern, i);
    if (skipped === undefined) return "";
    if (c === "(") depth++;
    if (c === ")") depth--;
    i = skipped;
  }
  return longestOf([...literals, current]);
}

/** The last character of the construct that starts at `at`; undefined for what is not understood. */
function skipConstruct(pattern: string, at: number): number | undefined {
  const c = pattern[at]!;
  if (c === "\\") {
    const letter = pattern[at + 1] ?? "";
    // Quoting, property classes and numbered characters have more behind them than one letter.
    return /[QEpPxCkA-BZz0-9]/.test(letter) && !/[bB]/.test(letter) ? undefined : at + 1;
  }
  if (c === "[") {
    const end = pattern.indexOf("]", pattern[at + 1] === "^" ? at + 3 : at + 2);
    const body = pattern.slice(at, end);
    return end < 0 || body.includes("[:") || body.includes("\\") ? undefined : end;
  }
  if (c === "{") {
    const end = pattern.indexOf("}", at);
    return end < 0 ? undefined : end;
  }
  if (c === "(" && pattern[at + 1] === "?") {
    const plain = /^\(\?(?::|P?<\w+>)/.exec(pattern.slice(at));
    return plain === null ? undefined : at + plain[0].length - 1;
  }
  return at;
}
