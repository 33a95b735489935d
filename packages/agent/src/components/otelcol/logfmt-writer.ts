/** Writes logfmt as go-logfmt does: keys without what would end them, values quoted where they must be. */
import { goJson } from "../loki/go-json.ts";

export type LogfmtPair = readonly [key: string, value: string];

/** Pairs whose key has nothing left are left out. */
export function writeLogfmt(pairs: readonly LogfmtPair[]): string {
  const written: string[] = [];
  for (const [key, value] of pairs) {
    const name = Array.from(key)
      .filter((character) => !isSpecial(character))
      .join("");
    if (name !== "") written.push(`${name}=${needsQuotes(value) ? goJson(value) : value}`);
  }
  return written.join(" ");
}

function needsQuotes(value: string): boolean {
  for (const character of value) if (isSpecial(character)) return true;
  return false;
}

function isSpecial(character: string): boolean {
  return character <= " " || character === "=" || character === '"' || character === "\ufffd";
}
