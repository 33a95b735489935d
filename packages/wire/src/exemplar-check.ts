/** What an exemplar's labels may be, whatever protocol brought it. */
import type { Labels } from "@finch/model";

/** OpenMetrics' limit on names and values of an exemplar together, in characters. */
export const EXEMPLAR_LABEL_CHARACTERS_MAX = 128;

/** Why the exemplar is not stored, or undefined. */
export function exemplarFault(labels: Labels): string | undefined {
  return labelCharacters(labels.pairs) > EXEMPLAR_LABEL_CHARACTERS_MAX
    ? `label length for exemplar exceeds maximum of ${EXEMPLAR_LABEL_CHARACTERS_MAX} UTF-8 characters`
    : undefined;
}

/** Characters of all names and values; stops counting once it is too many. */
export function labelCharacters(texts: readonly string[]): number {
  let count = 0;
  for (const text of texts) {
    // A character takes at most two units.
    if (text.length > 2 * EXEMPLAR_LABEL_CHARACTERS_MAX) return text.length;
    for (let i = 0; i < text.length; i++) {
      if (text.codePointAt(i)! > 0xffff) i++;
      count++;
    }
  }
  return count;
}
