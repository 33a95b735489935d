/** What can be wrong with a statement of OTTL: told when it is read ({@link OttlFault}), or while it works on data ({@link OttlRunFault}). */

/** A statement or condition that cannot be used. The message has line, column and the text. */
export class OttlFault extends Error {
  override readonly name = "OttlFault";

  /** `offset` counts UTF-16 units from the start of `text`. */
  constructor(reason: string, text: string, offset: number) {
    super(`${placeOf(text, offset)}: ${reason}, in ${excerpt(text, offset)}`);
  }
}

/** A statement that could not do its work on some data: a value of the wrong type, text that is no JSON. `error_mode` decides what follows. */
export class OttlRunFault extends Error {
  override readonly name = "OttlRunFault";
}

const EXCERPT_MAX = 120;

/** `LINE:COLUMN`, both from 1. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `${before.length}:${before.at(-1)!.length + 1}`;
}

/** The statement, or what stands around the fault in a long one. */
function excerpt(text: string, offset: number): string {
  if (text.length <= EXCERPT_MAX) return `\`${text}\``;
  const from = Math.max(0, Math.min(offset - EXCERPT_MAX / 3, text.length - EXCERPT_MAX));
  const start = Math.floor(from);
  const end = start + EXCERPT_MAX;
  return `\`${start > 0 ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}\``;
}
